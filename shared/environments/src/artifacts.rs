//! The files that an environment gets beside its DAGs: `requirements.txt`, `plugins.zip` and the start-up script.
//!
//! Each is named by what is in it, so that the same files have the same name on every machine and with every version of
//! the compressor: an unchanged file must not restart an environment. The guard is in two of them. Its wheel lies in the
//! root of `plugins.zip`, where pip looks for what `requirements.txt` pins, so that no other requirement replaces it. And
//! the start-up script carries it whole: whether MWAA has unpacked `plugins.zip` when that script runs is not documented,
//! and a container may have no way to the bucket.

mod archive;
mod encoding;
mod wheel;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use wheel::{BadWheel, Wheel};

use archive::Entry;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::hex::hex;

/// The start-up script that does not let an environment start without its guard.
const STARTUP: &str = include_str!("../../../airflow/startup/startup.sh");

/// Where MWAA unpacks `plugins.zip`.
const PLUGINS_FOLDER: &str = "/usr/local/airflow/plugins";

/// Base64 digits on a line of the start-up script.
const LINE: usize = 76;

/// What changes the result without any file changing: raise it together with how files are packed.
const PACKING: &str = "1";

/// A file of the user's, with its path inside the folder it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path, with slashes.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// The user's plugins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Plugins {
    /// None of their own.
    #[default]
    None,
    /// Every file of a folder.
    Folder(Vec<File>),
    /// A `plugins.zip` that they have packed.
    Archive(Vec<u8>),
}

/// What an environment's artifacts are made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// The user's `requirements.txt`.
    pub requirements: Option<String>,
    /// The user's plugins.
    pub plugins: Plugins,
    /// The user's own lines of the start-up script.
    pub startup: Option<String>,
    /// Another wheel of the guard than the one in here.
    pub wheel: Option<Wheel>,
}

/// A file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its key in the bucket.
    pub key: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The three files of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifacts {
    /// `requirements.txt`.
    pub requirements: Artifact,
    /// `plugins.zip`.
    pub plugins: Artifact,
    /// The start-up script.
    pub startup: Artifact,
}

impl Artifacts {
    /// All three.
    pub fn all(&self) -> [&Artifact; 3] {
        [&self.requirements, &self.plugins, &self.startup]
    }
}

/// Packs them; or says everything that is wrong with what they are made of.
pub fn pack(sources: &Sources) -> Result<Artifacts, Vec<String>> {
    let own;
    let wheel = if let Some(given) = &sources.wheel {
        given
    } else {
        own = Wheel::own().map_err(|fault| vec![fault])?;
        &own
    };
    let mut faults = Vec::new();
    let requirements = requirements(sources.requirements.as_deref().unwrap_or_default(), wheel)
        .map_err(|fault| faults.push(fault))
        .ok();
    let plugins = plugins(&sources.plugins, wheel)
        .map_err(|mut found| faults.append(&mut found))
        .ok();
    let startup = startup(sources.startup.as_deref().unwrap_or_default(), wheel);
    match (requirements, plugins) {
        (Some(requirements), Some(plugins)) if faults.is_empty() => Ok(Artifacts {
            requirements,
            plugins,
            startup,
        }),
        _ => Err(faults),
    }
}

/// A function's package: `bootstrap` alone, as Lambda's runtime for binaries wants it. It is named by the binary, not by
/// the archive.
pub fn function(name: &str, bootstrap: &[u8]) -> Result<Artifact, String> {
    let entry = Entry {
        path: "bootstrap".to_owned(),
        bytes: bootstrap.to_vec(),
        executable: true,
    };
    let key = key(&format!("functions/{name}"), "zip", &[bootstrap]);
    let bytes = archive::write(&[entry]).map_err(|error| format!("{name} cannot be packed: {error}"))?;
    Ok(Artifact { key, bytes })
}

/// A function's package that is packed already.
pub fn packed_function(name: &str, archive: Vec<u8>) -> Artifact {
    Artifact {
        key: key(&format!("functions/{name}"), "zip", &[&archive]),
        bytes: archive,
    }
}

/// A template that is too long to be sent itself.
pub fn template(stack: &str, text: &str) -> Artifact {
    Artifact {
        key: key(&format!("templates/{stack}"), "yaml", &[text.as_bytes()]),
        bytes: text.as_bytes().to_vec(),
    }
}

fn key(name: &str, extension: &str, parts: &[&[u8]]) -> String {
    let mut all: Vec<&[u8]> = vec![PACKING.as_bytes()];
    all.extend(parts);
    let hash = encoding::sha256(&all);
    let short: String = hex(&hash).chars().take(16).collect();
    format!("artifacts/{name}-{short}.{extension}")
}

fn requirements(own: &str, wheel: &Wheel) -> Result<Artifact, String> {
    let names = |line: &str| {
        let name = line
            .trim_start()
            .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
            .next()
            .unwrap_or_default();
        name.to_ascii_lowercase().replace(['_', '.'], "-") == "mwaa-bluegreen"
    };
    let is_a_path = |line: &str| !line.trim_start().starts_with('#') && line.contains("mwaa_bluegreen-");
    if let Some((number, line)) = own.lines().enumerate().find(|(_, line)| names(line) || is_a_path(line)) {
        return Err(format!(
            "line {} of the requirements is {line:?}: take it out, the guard is pinned by what is appended",
            number.saturating_add(1)
        ));
    }
    let mut text = own.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    // With one hash in it, pip wants a hash of everything, also of what the guard needs. The start-up script has
    // installed the guard by then, and nothing here names it.
    let is_hashed = own.lines().any(|line| {
        let line = line.trim_start();
        !line.starts_with('#') && (line.contains("--hash=") || line.starts_with("--require-hashes"))
    });
    if !is_hashed {
        let version = wheel.version();
        let _a_string_takes_all = write!(
            text,
            "# The guard: appended by mwaa-bluegreen. The start-up script has installed it; pinned, nothing replaces it.\n\
             --find-links {PLUGINS_FOLDER}\nmwaa-bluegreen=={version}\n"
        );
    } else if text.is_empty() {
        text.push('\n');
    }
    Ok(Artifact {
        key: key("requirements", "txt", &[text.as_bytes()]),
        bytes: text.into_bytes(),
    })
}

fn plugins(given: &Plugins, wheel: &Wheel) -> Result<Artifact, Vec<String>> {
    let entries = match given {
        Plugins::None => Vec::new(),
        Plugins::Folder(files) => files
            .iter()
            .map(|file| Entry {
                path: file.path.clone(),
                bytes: file.bytes.clone(),
                executable: file.executable,
            })
            .collect(),
        Plugins::Archive(bytes) => {
            archive::read(bytes).map_err(|error| vec![format!("the plugins are not a zip archive: {error}")])?
        }
    };
    let mut faults = Vec::new();
    let mut by_path: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in entries.into_iter().filter(|entry| !is_rubbish(&entry.path)) {
        let is_inside = !entry.path.starts_with('/')
            && !entry.path.contains('\\')
            && entry.path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_inside {
            faults.push(format!(
                "the plugins have the path {:?}; allowed are paths inside the folder, with slashes",
                entry.path
            ));
        } else if entry.path.starts_with("mwaa_bluegreen-") && !entry.path.contains('/') {
            faults.push(format!(
                "the plugins have {:?}: take it out, the guard is put in by itself ([guard] wheel names another one)",
                entry.path
            ));
        } else if let Some(twice) = by_path.insert(entry.path.clone(), entry) {
            faults.push(format!("the plugins have {:?} twice", twice.path));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut hashed: Vec<Vec<u8>> = vec![wheel.identity().to_vec()];
    for entry in by_path.values() {
        let mode = if entry.executable { "x" } else { "-" };
        hashed.push(format!("{}\0{mode}\0{}\0", entry.path, entry.bytes.len()).into_bytes());
        hashed.push(entry.bytes.clone());
    }
    let parts: Vec<&[u8]> = hashed.iter().map(Vec::as_slice).collect();
    let key = key("plugins", "zip", &parts);
    let in_root = Entry {
        path: wheel.file_name().to_owned(),
        bytes: wheel.bytes().to_vec(),
        executable: false,
    };
    by_path.insert(in_root.path.clone(), in_root);
    let entries: Vec<Entry> = by_path.into_values().collect();
    let bytes = archive::write(&entries).map_err(|error| vec![format!("the plugins cannot be packed: {error}")])?;
    Ok(Artifact { key, bytes })
}

/// What Python, editors and systems leave behind: it differs from machine to machine, and would restart environments.
fn is_rubbish(path: &str) -> bool {
    path.ends_with('/')
        || path.split('/').any(|part| {
            let is_compiled = part.rsplit_once('.').is_some_and(|(_, extension)| extension == "pyc");
            is_compiled || matches!(part, "__pycache__" | ".git" | ".DS_Store" | "__MACOSX")
        })
}

fn startup(own: &str, wheel: &Wheel) -> Artifact {
    let mut text = format!(
        "# Written by mwaa-bluegreen: the wheel of the guard, the guard's start-up script, then your own lines.\n\
         # The wheel is in here, so that it takes neither plugins.zip nor a network.\n\
         MWAA_BLUEGREEN_WHEEL=\"$(mktemp -d)/{}\"\n\
         base64 -d > \"$MWAA_BLUEGREEN_WHEEL\" <<'MWAA_BLUEGREEN_BYTES'\n",
        wheel.file_name()
    );
    let head = text.clone();
    let encoded = BASE64_STANDARD.encode(wheel.bytes());
    for line in encoded.as_bytes().chunks(LINE) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("MWAA_BLUEGREEN_BYTES\n\n");
    text.push_str(STARTUP);
    if !own.is_empty() {
        text.push_str("\n# Your own lines.\n");
        text.push_str(own);
        if !own.ends_with('\n') {
            text.push('\n');
        }
    }
    let identity = wheel.identity();
    Artifact {
        key: key(
            "startup",
            "sh",
            &[head.as_bytes(), &identity, STARTUP.as_bytes(), own.as_bytes()],
        ),
        bytes: text.into_bytes(),
    }
}

#[cfg(test)]
mod tests;
