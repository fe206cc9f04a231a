//! Functions of a window's records.

use crate::functions::{CheckpointedFunction, Collector, FnResult, RuntimeContext};
use crate::state::{KeyedState, StateAccess};
use crate::stream::{OutputTag, SideOutputs};
use crate::{Key, Record};

use super::Window;

/// Makes results of the records of a window, or of what they were put together to, and knows the window.
///
/// State that is declared when it is opened is the key's, whatever the window ("global state"). For what is to be kept of each window,
/// declare a [`MapState`](crate::state::MapState) by the window, and remove the window's entry in [`clear`](Self::clear).
///
/// ```
/// use riverrun::functions::{Collector, FnResult};
/// use riverrun::window::{ProcessWindowFunction, TimeWindow, WindowContext};
///
/// /// Page, start of the window, number of clicks.
/// #[derive(Clone)]
/// struct Count;
///
/// impl ProcessWindowFunction<u64, (String, i64, u64), String, TimeWindow> for Count {
///     fn process(
///         &mut self,
///         page: &String,
///         context: &mut WindowContext<'_, TimeWindow>,
///         elements: &[u64],
///         out: &mut Collector<'_, (String, i64, u64)>,
///     ) -> FnResult {
///         out.collect((page.clone(), context.window().start(), elements.iter().sum()));
///         Ok(())
///     }
/// }
/// ```
pub trait ProcessWindowFunction<I, O: Record, K: Key, W: Window>: Clone + Send + Sync + 'static {
    /// Called once, before any window: the place to declare state.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// A window fires. `elements` are its records in the order in which they came, those of sessions that have become one each after those of
    /// the session before; or one value, if records were aggregated or reduced before.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process(
        &mut self,
        key: &K,
        context: &mut WindowContext<'_, W>,
        elements: &[I],
        out: &mut Collector<'_, O>,
    ) -> FnResult;

    /// The window has ended, and what was kept for it is to be removed.
    ///
    /// # Errors
    /// The job fails with this error.
    fn clear(&mut self, context: &mut WindowContext<'_, W>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Called once, after the last window; not after a failure.
    ///
    /// # Errors
    /// The job fails with this error.
    fn close(&mut self) -> FnResult {
        Ok(())
    }

    /// The function's operator state, if it has any: `Some(self)` for one that is a [`CheckpointedFunction`].
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}

/// What a [`ProcessWindowFunction`] is told about a window, and where its key's state is.
pub struct WindowContext<'a, W> {
    pub(crate) window: &'a W,
    pub(crate) watermark: i64,
    pub(crate) now: i64,
    pub(crate) state: &'a mut KeyedState,
    pub(crate) sides: &'a mut SideOutputs,
}

impl<W: Window> WindowContext<'_, W> {
    /// The window.
    pub fn window(&self) -> &W {
        self.window
    }

    /// The event time to which the stream has come; `i64::MIN` before the first watermark.
    pub fn current_watermark(&self) -> i64 {
        self.watermark
    }

    /// The time of day, in epoch milliseconds.
    pub fn current_processing_time(&self) -> i64 {
        self.now
    }

    /// Writes to a side output, with the window's last time as event time.
    pub fn output<X: Record>(&mut self, tag: &OutputTag<X>, value: X) {
        self.sides.push(tag, value, Some(self.window.max_timestamp()));
    }
}

impl<W> StateAccess for WindowContext<'_, W> {
    fn keyed_state(&self) -> &KeyedState {
        self.state
    }

    fn keyed_state_mut(&mut self) -> &mut KeyedState {
        self.state
    }
}

/// A closure as a [`ProcessWindowFunction`].
#[derive(Clone)]
pub(crate) struct WindowClosure<F>(pub(crate) F);

impl<I, O, K, W, F> ProcessWindowFunction<I, O, K, W> for WindowClosure<F>
where
    O: Record,
    K: Key,
    W: Window,
    F: FnMut(&K, &W, &[I], &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
{
    fn process(
        &mut self,
        key: &K,
        context: &mut WindowContext<'_, W>,
        elements: &[I],
        out: &mut Collector<'_, O>,
    ) -> FnResult {
        (self.0)(key, context.window, elements, out);
        Ok(())
    }
}
