//! Reading what a newer version wrote: as much of it as this version understands.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A field of another shape counts as missing, and takes nothing else with it.
pub(crate) fn field<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(T::deserialize(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Structs of the wire. Every field may be missing, null or of another shape for a reader; fields that it does not know are
/// left out of account. A writer says for each field what becomes of it where there is nothing to say: null, or left out.
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
