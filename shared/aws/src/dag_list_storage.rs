//! Keeps a list of DAG ids in Parameter Store: in the parameter itself if it is short, otherwise compressed in parts. A
//! part has up to 4 KB, the maximum of a parameter of the standard tier.
//!
//! To read a list manually, join the parts' values in order, then `base64 -d | gunzip`.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use aws_smithy_types::base64;
use bluegreen_core::dag_management::{Parts, Remembered};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

/// Maximum bytes of the DAGs to run that fit into 4 KB beside the parameter's other fields.
pub const LONGEST_INLINE: usize = 2500;

/// Maximum bytes of the DAGs that are still to be unpaused.
pub const LONGEST_INLINE_OWED: usize = 700;

/// Maximum bytes of one part.
const LONGEST_PART: usize = 4000;

/// Maximum parts of one list. Ids compress well: these are some tens of thousands of them.
const MOST_PARTS: usize = 40;

/// Maximum bytes of a list that are read: what is stored may be anything.
const LONGEST_LIST: u64 = 16 * 1024 * 1024;

/// Packed ids: the content of the parameter, and the values of the parts.
#[derive(Debug)]
pub struct Packed {
    /// The content of the parameter.
    pub remembered: Remembered,
    /// The values of the parts; empty if the parameter holds the ids itself.
    pub parts: Vec<String>,
}

/// Packs the ids; `None` if they are too many.
pub fn pack(ids: &BTreeSet<String>, longest_inline: usize) -> Option<Packed> {
    let count = ids.len();
    // Two quotes and a comma each.
    let length: usize = ids.iter().map(|id| id.len().saturating_add(3)).sum();
    if length <= longest_inline {
        let remembered = Remembered {
            count,
            ids: Some(ids.clone()),
            parts: None,
        };
        return Some(Packed {
            remembered,
            parts: Vec::new(),
        });
    }
    let text = ids.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).ok()?;
    let value = base64::encode(encoder.finish().ok()?);
    let parts: Vec<String> = value
        .as_bytes()
        .chunks(LONGEST_PART)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    if parts.len() > MOST_PARTS {
        return None;
    }
    let mut digest = Crc::new();
    digest.update(text.as_bytes());
    let name = format!("{:08x}-{}", digest.sum(), text.len());
    let remembered = Remembered {
        count,
        ids: None,
        parts: Some(Parts {
            name,
            count: parts.len(),
        }),
    };
    Some(Packed { remembered, parts })
}

/// Unpacks the parts; `None` if they are not a list of `count` ids.
pub fn unpack(parts: &[String], count: usize) -> Option<BTreeSet<String>> {
    let bytes = base64::decode(parts.concat()).ok()?;
    let mut text = String::new();
    // The checksum at its end reveals parts that do not belong together.
    GzDecoder::new(bytes.as_slice())
        .take(LONGEST_LIST)
        .read_to_string(&mut text)
        .ok()?;
    let ids: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    (ids.len() == count).then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> BTreeSet<String> {
        (0..count)
            .map(|number| format!("team_{}_orders_{number:05}_daily", number % 7))
            .collect()
    }

    #[test]
    fn a_short_list_stands_in_the_parameter_itself() {
        let packed = pack(&ids(20), LONGEST_INLINE).unwrap();
        assert_eq!(packed.remembered.ids, Some(ids(20)));
        assert!(packed.parts.is_empty() && packed.remembered.parts.is_none());
        assert_eq!(pack(&BTreeSet::new(), LONGEST_INLINE).unwrap().remembered.count, 0);
    }

    #[test]
    fn a_long_list_comes_back_from_its_parts_and_only_from_those() {
        let packed = pack(&ids(5000), LONGEST_INLINE).unwrap();
        let parts = packed.remembered.parts.unwrap();
        assert_eq!(parts.count, packed.parts.len());
        assert!(
            parts.count > 1 && packed.parts.iter().all(|part| part.len() <= 4096),
            "{}",
            parts.count
        );
        assert_eq!(unpack(&packed.parts, 5000), Some(ids(5000)));
        assert_eq!(
            unpack(&packed.parts, 4999),
            None,
            "another number of ids than remembered"
        );
        let other = pack(&ids(4999), LONGEST_INLINE).unwrap();
        assert_ne!(other.remembered.parts.unwrap().name, parts.name);
        let mut mixed = packed.parts.clone();
        mixed[1].clone_from(&other.parts[1]);
        assert_eq!(unpack(&mixed, 5000), None, "parts of two lists");
        assert_eq!(unpack(&packed.parts[1..], 5000), None, "a part is missing");
        assert_eq!(unpack(&["garbage".to_owned()], 1), None);
    }

    #[test]
    fn more_than_parameter_store_should_hold_is_refused() {
        let random: BTreeSet<String> = (0..9000)
            .map(|_| (0..30).map(|_| fastrand::alphanumeric()).collect())
            .collect();
        assert!(pack(&random, LONGEST_INLINE).is_none());
    }
}
