//! `rollout`: a change goes to the standby first, then, after a switch, to the other color.
//!
//! The decisions are `bluegreen_environments::rollout`'s; this is the loop around them: look, ask for the one step, carry
//! it out, look again.

mod changes;
mod look;
mod pair;
mod requests;
mod run;
mod steps;
mod told;

use std::rc::Rc;
use std::time::Instant;

use bluegreen_environments::description::Mode;
use bluegreen_environments::rollout::Goal;

use self::pair::Pair;
use self::run::{Memory, Run, Scratch};
use super::arguments::Rollout;
use super::desired;
use crate::confirm::{must_ask, somebody_is_there};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::sdk_config;
use crate::session::Session;

pub(crate) async fn rollout(connection: &Connection, options: &Rollout) -> Result<u8, Failure> {
    let local = desired::read(&options.file)?;
    desired::warn(&options.file, &local);
    let description = &local.description;
    if description.mode == Mode::Standard {
        return Err(Failure::Usage(
            "this pair is in standard mode: there is no standby to change first; `mwaa-bluegreen env apply` changes the one \
             environment, and mode = \"blue-green\" makes it a pair"
                .to_owned(),
        ));
    }
    if let Some(region) = connection
        .region
        .as_deref()
        .filter(|region| *region != description.region)
    {
        return Err(Failure::Usage(format!(
            "--region is {region}, and the pair is described in {}: leave --region out, or correct the file",
            description.region
        )));
    }
    let connection = Connection {
        pair: description.name.clone(),
        region: Some(description.region.clone()),
        ..connection.clone()
    };
    // Better now than after half an hour.
    if !options.consent.dry_run && options.until.is_none() {
        must_ask(options.consent.yes, somebody_is_there())?;
    }
    let session = Session::open(&connection).await?;
    let config = sdk_config::configure(&connection, None).await?;
    let pair = Pair::new(config, connection, local, options.without_dags)?;
    let described = Rc::new(pair.described()?);
    let id = Pair::id(&described);
    let run = Run {
        session,
        options,
        pair,
        id,
        goal: if options.abort { Goal::Abort } else { Goal::Forward },
        began: Instant::now(),
        memory: Memory::default(),
        folder: Scratch::new()?,
    };
    run.carry_to_the_end(&described).await
}
