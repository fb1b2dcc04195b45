//! One list for each vocabulary: a type, how each of its words is written, and what is to be known about it.

/// Defines an enum from a list. The comment of each word is what the reference says of it; the first field is how it is written,
/// the others are those of the entry. What no function reads, the linker leaves out of it.
macro_rules! vocabulary {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $entry:ident {
            $(
                $(#[doc = $about:literal])+
                $word:ident { $written:ident: $text:literal $(, $field:ident: $value:expr)* $(,)? }
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(
                $(#[doc = $about])+
                #[serde(rename = $text)]
                $word,
            )+
        }

        impl $name {
            /// Every one, in the order of the reference.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// As written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)+
                }
            }

            /// Exactly as written; anything else is none.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }

            /// What the reference says of it.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$word => concat!($($about),+),)+
                }
            }

            /// What is to be known about it.
            #[must_use]
            pub const fn entry(self) -> $entry {
                match self {
                    $(Self::$word => $entry { $($field: $value),* },)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use vocabulary;
