//! The options of every command that writes, and its request.
#![expect(clippy::doc_markdown, reason = "these comments are what --help and the manual show")]

use bluegreen_aws::configuration::variable;
use bluegreen_core::request::{ActionName, RequestForm};
use clap::Args;

/// Of everything that writes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Consent {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Say what would happen, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Who asks, for the record [default: the operating system's user name, from SUDO_USER, USER or LOGNAME]
    #[arg(long, value_name = "WHO")]
    pub(crate) requested_by: Option<String>,
}

/// A request with the fields that every change has.
pub(crate) fn request(action: ActionName, reason: Option<String>, consent: &Consent) -> RequestForm {
    RequestForm {
        reason,
        requested_by: requested_by(consent).map(|(who, _)| who),
        ..RequestForm::of(action)
    }
}

/// Who asks, and where that name is from.
pub(crate) fn requested_by(consent: &Consent) -> Option<(String, &'static str)> {
    let from = |name: &'static str| variable(name).filter(|who| !who.is_empty()).map(|who| (who, name));
    consent
        .requested_by
        .clone()
        .map(|who| (who, "--requested-by"))
        // Under sudo, USER is root, which names no person.
        .or_else(|| from("SUDO_USER"))
        .or_else(|| from("USER"))
        .or_else(|| from("LOGNAME"))
}
