//! The macros that define options and enumerations of option values.

/// Defines a struct of options and its [`OptionSet`](crate::options::OptionSet) together.
///
/// A field is `"key" | "older-key" => name: Type = "default"`. Its doc comment is the option's text. A type is a value (required without a
/// default), an `Option`, or a `BTreeMap<String, _>` for a key with a wildcard. See [`crate::options`](mod@crate::options) for an example.
#[macro_export]
macro_rules! options {
    (
        $(#[doc = $struct_doc:literal])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:literal $(| $older:literal)* => $field:ident : $type:ty $(= $default:literal)?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $struct_doc])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)*
        }

        impl $crate::options::OptionSet for $name {
            fn specs() -> &'static [$crate::options::OptionSpec] {
                const SPECS: &[$crate::options::OptionSpec] = &[$($crate::options::OptionSpec {
                    key: $key,
                    older_keys: &[$($older),*],
                    type_name: <$type as $crate::options::OptionField>::TYPE,
                    values: <$type as $crate::options::OptionField>::VALUES,
                    default: $crate::options!(@default $($default)?),
                    required: <$type as $crate::options::OptionField>::NEEDS_VALUE
                        && $crate::options!(@default $($default)?).is_none(),
                    secret: <$type as $crate::options::OptionField>::SECRET,
                    description: concat!($($doc),+).trim_ascii(),
                }),*];
                SPECS
            }

            #[allow(unused_assignments, unused_mut, unused_variables, reason = "a set may be empty")]
            fn read(reader: &mut $crate::options::OptionReader, prefix: &str) -> $crate::Result<Self> {
                let mut specs = Self::specs().iter();
                let mut next = || specs.next().ok_or_else(|| $crate::Error::internal("an option without a definition"));
                Ok(Self { $($field: $crate::options::OptionField::take(reader, prefix, next()?)?,)* })
            }
        }
    };
    (@default) => { None::<&'static str> };
    (@default $default:literal) => { Some($default) };
}

/// Defines an enumeration of option values: each variant with the text that a user writes.
///
/// ```
/// use riverrun_base::options::OptionValue;
///
/// riverrun_base::option_enum! {
///     /// How sure delivery is.
///     pub enum Guarantee {
///         /// Records may be lost.
///         "none" => None,
///         /// Records may be repeated.
///         "at-least-once" => AtLeastOnce,
///     }
/// }
///
/// assert_eq!(Guarantee::parse("at-least-once").unwrap(), Guarantee::AtLeastOnce);
/// assert_eq!(Guarantee::AtLeastOnce.to_string(), "at-least-once");
/// ```
#[macro_export]
macro_rules! option_enum {
    (
        $(#[doc = $enum_doc:literal])*
        $vis:vis enum $name:ident {
            $($(#[doc = $doc:literal])+ $text:literal $(| $other:literal)* => $variant:ident),* $(,)?
        }
    ) => {
        $(#[doc = $enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[doc = $doc])+ $variant,)* }

        impl $crate::options::OptionValue for $name {
            const TYPE: &'static str = "Enum";
            const VALUES: &'static [&'static str] = &[$($text),*];

            fn parse(text: &str) -> $crate::Result<Self> {
                $(if [$text $(, $other)*].iter().any(|known| text.trim().eq_ignore_ascii_case(known)) { return Ok(Self::$variant); })*
                let all: &[&str] = &[$($text),*];
                Err($crate::Error::user(format!("'{text}' is not one of {}", all.join(", "))))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),* })
            }
        }
    };
}
