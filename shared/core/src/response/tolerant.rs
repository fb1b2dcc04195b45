//! Reading what a newer version wrote: as much of it as this version understands.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a field. One of another shape counts as missing and does not affect the others.
pub(crate) fn field<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(T::deserialize(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Structs of the wire. For a reader, every field may be missing, null or of another shape, and unknown fields are
/// ignored. A writer states for each field whether an empty value is written as null or left out.
macro_rules! tolerant {
    ($(
        $(#[$of:meta])*
        pub struct $name:ident {
            $( $(#[$meta:meta])* pub $field:ident: $type:ty, )*
        }
    )*) => {$(
        $(#[$of])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$meta])*
                #[serde(deserialize_with = "crate::response::tolerant::field")]
                pub $field: $type,
            )*
        }
    )*};
}

pub(crate) use tolerant;
