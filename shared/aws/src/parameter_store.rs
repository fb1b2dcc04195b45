//! Parameter Store: the flag, its records and the small memories beside it.

mod flag;
mod hold;
mod managed_dags;
mod memos;
mod observed;
mod parsing;
mod records;
mod store;

pub use memos::Acknowledgement;
pub use observed::{Observed, Remembered};
pub use store::ParameterStore;
