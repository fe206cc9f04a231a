//! How a record's key is found.

use std::borrow::Borrow;
use std::hash::Hash;
use std::marker::PhantomData;

use crate::Key;
use crate::state::hash_key;

/// Finds the key of a record: a closure that answers it, for [`key_by`](crate::DataStream::key_by), or one that answers a reference to it,
/// for [`key_by_ref`](crate::DataStream::key_by_ref). It is no trait to implement.
///
/// Equal records have equal keys, whenever it is called: it is called where records are dealt out, and again where they come in.
pub trait KeySelector<T, K>: Clone + Send + Sync + 'static {
    /// The key, or a reference to it.
    type Selected<'a>: SelectedKey<K>
    where
        T: 'a;

    /// Finds the key of a record.
    fn select<'a>(&self, record: &'a T) -> Self::Selected<'a>;
}

/// A key, or a reference to it, by which state is found. It is no trait to implement.
pub trait SelectedKey<K> {
    /// The hash of the key.
    fn key_hash(&self) -> u64;

    /// Whether it is this key.
    fn is_key(&self, key: &K) -> bool;

    /// The key, to be kept.
    fn into_key(self) -> K;
}

impl<T, K: Key, F> KeySelector<T, K> for F
where
    F: Fn(&T) -> K + Clone + Send + Sync + 'static,
{
    type Selected<'a>
        = K
    where
        T: 'a;

    #[inline]
    fn select(&self, record: &T) -> K {
        self(record)
    }
}

impl<K: Key> SelectedKey<K> for K {
    #[inline]
    fn key_hash(&self) -> u64 {
        hash_key(self)
    }

    #[inline]
    fn is_key(&self, key: &K) -> bool {
        self == key
    }

    #[inline]
    fn into_key(self) -> K {
        self
    }
}

/// A closure that answers a reference to a record's key.
pub struct KeyByRef<F, Q: ?Sized> {
    selector: F,
    key: PhantomData<fn(&Q)>,
}

impl<F, Q: ?Sized> KeyByRef<F, Q> {
    pub(crate) fn new(selector: F) -> Self {
        Self { selector, key: PhantomData }
    }
}

impl<F: Clone, Q: ?Sized> Clone for KeyByRef<F, Q> {
    fn clone(&self) -> Self {
        Self::new(self.selector.clone())
    }
}

impl<T, Q, F> KeySelector<T, Q::Owned> for KeyByRef<F, Q>
where
    Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized + 'static,
    F: Fn(&T) -> &Q + Clone + Send + Sync + 'static,
{
    type Selected<'a>
        = KeyRef<'a, Q>
    where
        T: 'a;

    #[inline]
    fn select<'a>(&self, record: &'a T) -> KeyRef<'a, Q> {
        KeyRef((self.selector)(record))
    }
}

/// A reference to a key.
pub struct KeyRef<'a, Q: ?Sized>(pub(crate) &'a Q);

impl<Q> SelectedKey<Q::Owned> for KeyRef<'_, Q>
where
    Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized,
{
    #[inline]
    fn key_hash(&self) -> u64 {
        hash_key(self.0)
    }

    #[inline]
    fn is_key(&self, key: &Q::Owned) -> bool {
        self.0 == key.borrow()
    }

    #[inline]
    fn into_key(self) -> Q::Owned {
        self.0.to_owned()
    }
}
