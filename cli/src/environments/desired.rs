//! `pair.toml` and the files that it names, read once: everything that is wrong with them is told together.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bluegreen_environments::artifacts::{self, Artifact, Artifacts, File, Plugins, Sources, Wheel};
use bluegreen_environments::description::{self, Description, Fault, Mode, Reading};
use bluegreen_environments::stack::{CodeBucket, DesiredStack, Uploads, code_bucket, desired};
use bluegreen_environments::template;

use crate::failure::Failure;
use crate::terminal;

/// Folders within folders that are followed at most: a link may lead back.
const DEEPEST: usize = 32;

/// The largest file that is read: S3 and MWAA take more, but nobody means it.
const LARGEST: u64 = 512 * 1024 * 1024;

/// A pair as it is described on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    pub(crate) description: Description,
    /// What works, but may not be meant.
    pub(crate) warnings: Vec<Fault>,
    /// The folder of the DAGs.
    pub(crate) dags: PathBuf,
    /// Requirements, plugins and start-up script; the same for both colors.
    pub(crate) artifacts: Artifacts,
    /// The functions' packages by the folder that the template names; none in standard mode.
    pub(crate) functions: BTreeMap<String, Artifact>,
    /// The controller's template; empty in standard mode.
    pub(crate) controller_template: String,
}

impl Local {
    /// The stacks as they shall be. `bucket` is the one of the functions: see [`Local::code_bucket`].
    pub(crate) fn stacks(&self, bucket: &str) -> Result<Vec<DesiredStack>, Failure> {
        let key = |artifact: &Artifact| Some(artifact.key.clone());
        let uploads = Uploads {
            requirements: key(&self.artifacts.requirements),
            plugins: key(&self.artifacts.plugins),
            startup_script: key(&self.artifacts.startup),
            controller_template: self.controller_template.clone(),
            functions: self
                .functions
                .iter()
                .map(|(folder, artifact)| (folder.clone(), format!("s3://{bucket}/{}", artifact.key)))
                .collect(),
        };
        desired(&self.description, &uploads).map_err(|fault| Failure::Usage(fault.to_string()))
    }

    /// Where the functions are uploaded; `None` without a controller.
    pub(crate) fn code_bucket(&self) -> Option<CodeBucket> {
        code_bucket(&self.description)
    }
}

/// Reads the description and its files. Faults are written to the standard error, one a line, and warnings after them.
pub(crate) fn read(file: &Path) -> Result<Local, Failure> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::Usage(format!(
            "{name} cannot be read: {error}; give the pair's file with --file, or write one with `mwaa-bluegreen env init`"
        ))
    })?;
    let mut files = Files {
        folder: file.parent().unwrap_or(Path::new("")).to_owned(),
        reading: description::read(&text),
    };
    let local = files.all();
    let Reading { faults, warnings, .. } = files.reading;
    for fault in &faults {
        terminal::note(&format!("{name}: {fault}\n"));
    }
    match local {
        Some(local) if faults.is_empty() => Ok(Local { warnings, ..local }),
        _ => Err(Failure::Usage(format!(
            "{} in {name}; nothing was created or changed",
            terminal::count(faults.len(), "fault")
        ))),
    }
}

/// Writes what may not be meant to the standard error.
pub(crate) fn warn(file: &Path, local: &Local) {
    for warning in &local.warnings {
        terminal::note(&format!("{}: warning: {warning}\n", file.display()));
    }
}

struct Files {
    folder: PathBuf,
    reading: Reading,
}

impl Files {
    /// Everything, or nothing after a fault that leaves nothing to go on with.
    fn all(&mut self) -> Option<Local> {
        let description = self.reading.description.clone();
        let environment = &description.environment;
        let dags = self.folder.join(&environment.dags);
        if !dags.is_dir() {
            let given = format!("{:?}, which is no folder", environment.dags);
            self.fault(
                "environment.dags",
                &given,
                "the folder of the DAGs",
                "make it, or name another one",
            );
        }
        let requirements = environment.requirements.as_ref().and_then(|path| {
            let text = self.text("environment.requirements", path)?;
            for (number, line) in description::unpinned(&text) {
                self.reading.add_warning(
                    "environment.requirements",
                    &format!("{line:?} in line {number} of {path}"),
                    "name==version",
                    "without a version the colors may get different packages",
                );
            }
            Some(text)
        });
        let sources = Sources {
            requirements,
            plugins: environment
                .plugins
                .as_ref()
                .and_then(|path| self.plugins(path))
                .unwrap_or_default(),
            startup: environment
                .startup_script
                .as_ref()
                .and_then(|path| self.text("environment.startup_script", path)),
            wheel: description.guard.wheel.as_ref().and_then(|path| self.wheel(path)),
        };
        let artifacts = artifacts::pack(&sources).map_err(|faults| {
            for fault in faults {
                let key = if fault.contains("requirements") {
                    "environment.requirements"
                } else {
                    "environment.plugins"
                };
                self.fault(key, &fault, "", "");
            }
        });
        let mut functions = BTreeMap::new();
        let mut controller_template = String::new();
        if description.mode == Mode::BlueGreen {
            let path = &description.controller.template;
            controller_template = self.text("controller.template", path).unwrap_or_default();
            let folders = template::function_folders(&controller_template);
            if folders.is_empty() && !controller_template.is_empty() {
                let given = format!("{path:?}, which names no functions (CodeUri)");
                self.fault("controller.template", &given, "the product's template.yaml", "");
            }
            // Of a template that could not be read, every parameter would be unknown.
            let parameters = &description.controller.parameters;
            let faults =
                (!controller_template.is_empty()).then(|| template::faults_of(parameters, &controller_template));
            for fault in faults.unwrap_or_default() {
                let key = format!("controller.parameters.{}", fault.parameter);
                self.fault(&key, &fault.given, &fault.allowed, &fault.advice);
            }
            let architecture = description.controller.parameters.get("Architecture");
            let architecture = architecture.map_or("arm64", String::as_str).to_owned();
            for folder in folders {
                let function = self.function(&description.controller.functions, &folder, &architecture);
                functions.extend(function.map(|function| (folder, function)));
            }
        }
        Some(Local {
            artifacts: artifacts.ok()?,
            description,
            warnings: Vec::new(),
            dags,
            functions,
            controller_template,
        })
    }

    fn fault(&mut self, key: &str, given: &str, allowed: &str, advice: &str) {
        self.reading.add_fault(key, given, allowed, advice);
    }

    fn bytes(&mut self, key: &str, path: &str) -> Option<Vec<u8>> {
        match limited(&self.folder.join(path)) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let given = format!("{path:?}, which cannot be read: {error}");
                self.fault(
                    key,
                    &given,
                    "a file that can be read",
                    "paths begin at the folder of this file",
                );
                None
            }
        }
    }

    fn text(&mut self, key: &str, path: &str) -> Option<String> {
        let bytes = self.bytes(key, path)?;
        let text = String::from_utf8(bytes).ok();
        if text.is_none() {
            self.fault(key, &format!("{path:?}, which is no text"), "a file in UTF-8", "");
        }
        text
    }

    fn plugins(&mut self, path: &str) -> Option<Plugins> {
        let key = "environment.plugins";
        let whole = self.folder.join(path);
        if whole.is_dir() {
            let mut files = Vec::new();
            return match collect(&whole, "", 0, &mut files) {
                Ok(()) => Some(Plugins::Folder(files)),
                Err(error) => {
                    let given = format!("{path:?}, which cannot be read: {error}");
                    self.fault(key, &given, "a folder or a zip archive", "");
                    None
                }
            };
        }
        self.bytes(key, path).map(Plugins::Archive)
    }

    fn wheel(&mut self, path: &str) -> Option<Wheel> {
        let bytes = self.bytes("guard.wheel", path)?;
        let name = Path::new(path)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(path);
        match Wheel::given(name, bytes) {
            Ok(wheel) => Some(wheel),
            Err(fault) => {
                self.fault("guard.wheel", &fault.to_string(), "", "");
                None
            }
        }
    }

    /// A function's package: a folder with its binary, or an archive that is packed already.
    fn function(&mut self, functions: &str, folder: &str, architecture: &str) -> Option<Artifact> {
        let key = "controller.functions";
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let place = self.folder.join(functions);
        let archive = place.join(format!("{name}.zip"));
        if archive.is_file() {
            let bytes = self.bytes(key, &format!("{functions}/{name}.zip"))?;
            return Some(artifacts::packed_function(name, bytes));
        }
        let path = format!("{functions}/{name}/bootstrap");
        if !place.join(name).join("bootstrap").is_file() {
            let given = format!("{functions:?}, which has neither {name}/bootstrap nor {name}.zip");
            self.fault(
                key,
                &given,
                "the folder of the built functions",
                "build them: `make functions`",
            );
            return None;
        }
        let bytes = self.bytes(key, &path)?;
        if let Some(built_for) = machine(&bytes).filter(|built_for| *built_for != architecture) {
            let given = format!("{path:?}, which is built for {built_for}");
            let advice = format!(
                "build it for {architecture}, or set Architecture = \"{built_for}\" in [controller.parameters]"
            );
            self.fault(
                key,
                &given,
                &format!("binaries for {architecture}, the controller's Architecture"),
                &advice,
            );
            return None;
        }
        match artifacts::function(name, &bytes) {
            Ok(function) => Some(function),
            Err(fault) => {
                self.fault(key, &fault, "", "");
                None
            }
        }
    }
}

/// The processor that a binary is built for, in the words of Lambda: bytes 18 and 19 of an ELF file.
fn machine(bytes: &[u8]) -> Option<&'static str> {
    let code = bytes.strip_prefix(b"\x7fELF").and_then(|rest| rest.get(14..16))?;
    match code {
        [0x3e, 0] => Some("x86_64"),
        [0xb7, 0] => Some("arm64"),
        _ => None,
    }
}

fn limited(path: &Path) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    if found.len() > LARGEST {
        return Err(io::Error::other(format!(
            "it has {} bytes, and {LARGEST} are read at most",
            found.len()
        )));
    }
    fs::read(path)
}

fn collect(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<File>) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other(format!("{} is too deep", folder.display())));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(io::Error::other(format!(
                "{} is no name in UTF-8",
                entry.path().display()
            )));
        };
        let path = format!("{prefix}{name}");
        // Of a link, what it leads to.
        let found = fs::metadata(entry.path())?;
        if found.is_dir() {
            collect(&entry.path(), &format!("{path}/"), depth.saturating_add(1), files)?;
        } else {
            files.push(File {
                path,
                bytes: limited(&entry.path())?,
                executable: is_executable(&found),
            });
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
