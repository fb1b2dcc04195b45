//! Which files of a folder are DAG files, and what a file looks like to Airflow.

/// What happens to a file or folder of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// It is uploaded.
    Take,
    /// It is left out: made by tools, of no use to Airflow.
    Skip,
    /// It can be no object: why.
    Refuse(&'static str),
}

/// Names that are left out, folders and files alike.
const SKIPPED: [&str; 18] = [
    "__pycache__",
    ".git",
    ".gitignore",
    ".gitattributes",
    ".gitkeep",
    ".gitmodules",
    ".hg",
    ".svn",
    ".idea",
    ".vscode",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".ipynb_checkpoints",
    ".venv",
    ".tox",
    ".DS_Store",
    "Thumbs.db",
];

/// Ends of names that are left out: compiled Python, and what editors leave while a file is open.
const SKIPPED_ENDS: [&str; 7] = [".pyc", ".pyo", "~", ".swp", ".swo", ".swx", ".orig"];

/// The longest key of S3, in bytes, less what stands before the path.
const LONGEST_PATH: usize = 960;

/// What happens to a path, by its parts.
#[must_use]
pub fn rule_of(path: &str) -> Rule {
    let Some(name) = path.rsplit('/').next() else {
        return Rule::Skip;
    };
    if SKIPPED.contains(&name)
        || SKIPPED_ENDS.iter().any(|end| name.ends_with(end))
        || name.starts_with(".#")
        || name.starts_with('#') && name.ends_with('#')
    {
        return Rule::Skip;
    }
    if path
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Rule::Refuse("a part of the path is empty, . or ..");
    }
    if path.chars().any(char::is_control) || path.contains('\\') {
        return Rule::Refuse("the name has a control character or a backslash");
    }
    if path.len() > LONGEST_PATH {
        return Rule::Refuse("the path is longer than 960 bytes");
    }
    Rule::Take
}

/// What a file looks like to Airflow's DAG discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Looks {
    /// It will not be parsed by itself.
    Plain,
    /// It is parsed: it has the words `dag` and `airflow` in it, which is the rule of Airflow's safe mode. It need not
    /// have a DAG.
    Parsed,
    /// It makes a DAG at its left margin.
    Dag,
}

/// What a file looks like. An archive is looked into by nobody here.
#[must_use]
pub fn looks(path: &str, bytes: &[u8]) -> Looks {
    if !has_extension(path, "py") {
        return Looks::Plain;
    }
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_ascii_lowercase();
    if !(lower.contains("dag") && lower.contains("airflow")) {
        return Looks::Plain;
    }
    if text.lines().any(makes_a_dag) {
        Looks::Dag
    } else {
        Looks::Parsed
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

/// `with DAG(`, `name = DAG(` or `DAG(`, with or without a module before it. A decorated function makes a DAG only when
/// it is called, so `@dag` does not count.
fn makes_a_dag(line: &str) -> bool {
    let rest = line.strip_prefix("with ").unwrap_or(line);
    let called = match rest.split_once('=') {
        Some((name, value)) if is_name(name.trim()) => value.trim_start(),
        _ => rest,
    };
    let Some((before, _)) = called.split_once('(') else {
        return false;
    };
    let mut parts = before.trim_end().rsplit('.');
    parts.next() == Some("DAG") && parts.all(is_name)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_leave_behind_is_left_out() {
        for path in [
            "__pycache__",
            "a/__pycache__",
            ".git",
            "a/b.pyc",
            "a.py~",
            ".a.py.swp",
            ".#a.py",
            "#a.py#",
            "a/.DS_Store",
        ] {
            assert_eq!(rule_of(path), Rule::Skip, "{path}");
        }
        for path in [
            "a.py",
            ".airflowignore",
            "a/.airflowignore",
            "sql/x.sql",
            "ä b.py",
            "a#b.py",
            ".env",
        ] {
            assert_eq!(rule_of(path), Rule::Take, "{path}");
        }
    }

    #[test]
    fn what_can_be_no_object_is_refused() {
        for path in ["a\nb.py", "../a.py", "a//b.py", "a/./b.py", "a\\b.py", &"x".repeat(961)] {
            assert!(matches!(rule_of(path), Rule::Refuse(_)), "{path:?}");
        }
    }

    #[test]
    fn a_dag_file_is_known_by_its_left_margin() {
        let airflow = "from airflow import DAG\n";
        for (line, expected) in [
            ("with DAG(\"a\") as dag:", Looks::Dag),
            ("with airflow.sdk.DAG('a'):", Looks::Dag),
            ("dag = DAG(", Looks::Dag),
            ("dag=models.DAG (dag_id='a')", Looks::Dag),
            ("DAG(dag_id='a')", Looks::Dag),
            ("    with DAG('a'):", Looks::Parsed),
            ("@dag(schedule=None)", Looks::Parsed),
            ("def make(): return DAG('a')", Looks::Parsed),
            ("MY_DAG('x')", Looks::Parsed),
        ] {
            let text = format!("{airflow}{line}\n");
            assert_eq!(looks("a.py", text.as_bytes()), expected, "{line}");
            assert_eq!(looks("a.sql", text.as_bytes()), Looks::Plain);
        }
        assert_eq!(
            looks("a.py", b"with DAG('a'): pass"),
            Looks::Plain,
            "never heard of Airflow"
        );
    }
}
