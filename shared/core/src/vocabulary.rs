//! One list for each vocabulary: a type, how each of its words is written, and the properties of each word.

/// Defines an enum from a list. The comment of each word is its description in the reference. The first field is how
/// the word is written, and the others are the fields of its entry. The linker removes what no function reads.
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
            /// Every word, in the order of the reference.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// The word as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)+
                }
            }

            /// The word with exactly this spelling; none for any other text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }

            /// The description in the reference.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$word => concat!($($about),+),)+
                }
            }

            /// The properties of the word.
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
