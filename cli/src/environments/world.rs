//! What there is of a pair in AWS: its stacks and its flag, looked at together.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use bluegreen_controller::services::Services;
use bluegreen_core::color::Color;
use bluegreen_core::settings;
use bluegreen_environments::description::Description;
use bluegreen_environments::names;
use bluegreen_environments::operation::Standing;
pub(crate) use bluegreen_environments::permission::Flag;
use bluegreen_environments::stack::Layer;
use futures_util::future::try_join_all;

use super::stacks::{Found, Stacks};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::sdk_config;

/// A stack's place: two regions may each have a stack of one name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) region: String,
    pub(crate) name: String,
}

/// The pair, as it was found.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: SdkConfig,
    /// How the pair's function is reached.
    pub(crate) connection: Connection,
    regions: BTreeMap<String, Stacks>,
    pub(crate) found: BTreeMap<Place, Found>,
    pub(crate) flag: Flag,
}

impl World {
    /// Looks at every stack that the pair may have, in both modes, and at its flag; one round trip each, all at once.
    pub(crate) async fn look(connection: &Connection, description: &Description) -> Result<Self, Failure> {
        let mut connection = connection.clone();
        connection.pair.clone_from(&description.name);
        if let Some(given) = &connection.region
            && *given != description.region
        {
            return Err(Failure::Usage(format!(
                "--region is {given}, and the pair is described in {}: leave --region out, or correct the file",
                description.region
            )));
        }
        connection.region = Some(description.region.clone());
        let config = sdk_config::configure(&connection, None).await?;
        let mut regions = BTreeMap::new();
        for color in Color::BOTH {
            let region = description.region_of(color).to_owned();
            regions
                .entry(region.clone())
                .or_insert_with(|| Stacks::new(&config, &connection, &region));
        }
        let mut world = Self {
            config,
            connection,
            regions,
            found: BTreeMap::new(),
            flag: Flag::Missing,
        };
        let (found, flag) = tokio::try_join!(world.describe_all(description), world.read_flag(description))?;
        world.found = found;
        world.flag = flag;
        Ok(world)
    }

    async fn describe_all(&self, description: &Description) -> Result<BTreeMap<Place, Found>, Failure> {
        let looks = places(description).into_iter().map(|place| async move {
            let found = self.stacks(&place.region)?.describe(&place.name).await?;
            Ok::<_, Failure>(found.map(|found| (place, found)))
        });
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// A missing flag is one thing, one that cannot be read another: the latter is an error.
    pub(crate) async fn read_flag(&self, description: &Description) -> Result<Flag, Failure> {
        let flag = description.flag();
        let lookup = |name: &str| match name {
            "PAIR_NAME" => Some(description.name.clone()),
            "FLAG_PARAMETER" => Some(flag.clone()),
            "BLUE_ENVIRONMENT_NAME" => Some(description.environment_name(Color::Blue)),
            "GREEN_ENVIRONMENT_NAME" => Some(description.environment_name(Color::Green)),
            "AUDIT_BUS_NAME" => Some(format!("{}-audit", description.name)),
            "AWS_REGION" => Some(description.region.clone()),
            "LOG_LEVEL" => Some("warn".to_owned()),
            _ => None,
        };
        let settings = settings::read(lookup).map_err(|faults| Failure::Usage(faults.to_string()))?;
        let services = Services::outside_lambda(&self.config, settings);
        let observed = services.store.observe().await.map_err(|failure| {
            Failure::Aws(format!(
                "failed reading the flag {flag} in {}: {}; without it nothing says which color is active, and nothing was \
                 changed. Whoever asks needs ssm:GetParameters on it",
                description.region, failure.cause
            ))
        })?;
        let root = description.parameter_root();
        if let Some(refusal) = observed.ownership.refusal(&description.name, &root) {
            return Err(Failure::Refused(refusal));
        }
        Ok(match observed.flag {
            None => Flag::Missing,
            Some(flag) => match flag.value.color() {
                Some(color) => Flag::Names(color),
                None => Flag::Invalid(flag.value.to_string()),
            },
        })
    }

    pub(crate) fn stacks(&self, region: &str) -> Result<&Stacks, Failure> {
        self.regions
            .get(region)
            .ok_or_else(|| Failure::Usage(format!("{region} is no region of this pair")))
    }

    /// A stack that can be relied on: there, and not what a failed creation left.
    pub(crate) fn standing(&self, region: &str, name: &str) -> Option<&Found> {
        let place = Place {
            region: region.to_owned(),
            name: name.to_owned(),
        };
        self.found.get(&place).filter(|found| {
            matches!(
                Standing::of(Some(&found.stack.status)),
                Standing::Settled | Standing::Busy | Standing::Stuck
            )
        })
    }

    pub(crate) fn output(&self, region: &str, stack: &str, key: &str) -> Option<String> {
        self.standing(region, stack)?.stack.outputs.get(key).cloned()
    }

    /// Looks at one stack again.
    pub(crate) async fn look_again(&mut self, place: &Place) -> Result<(), Failure> {
        match self.stacks(&place.region)?.describe(&place.name).await? {
            Some(found) => self.found.insert(place.clone(), found),
            None => self.found.remove(place),
        };
        Ok(())
    }
}

/// Every stack that a pair may have, in whichever mode, in the order of deployment.
pub(crate) fn places(description: &Description) -> Vec<Place> {
    let place = |layer, color, region: &str| Place {
        region: region.to_owned(),
        name: names::stack(&description.name, layer, color),
    };
    let mut all = vec![place(Layer::Network, None, &description.region)];
    if let Some(region) = &description.green_region
        && *region != description.region
    {
        all.push(place(Layer::Network, None, region));
    }
    for layer in [Layer::Base, Layer::Lineage, Layer::Environment, Layer::Controller] {
        match layer {
            Layer::Base | Layer::Environment => {
                for color in Color::BOTH {
                    all.push(place(layer, Some(color), description.region_of(color)));
                }
            }
            _ => all.push(place(layer, None, &description.region)),
        }
    }
    all
}
