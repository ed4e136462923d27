//! Mistakes that nobody sees for years, each made in a copy of the repository's project: `check` has to fail, and to point
//! at the place. What they are stands in tests/mistakes.toml, what became of them in docs/mistakes.md.

use std::path::Path;

use serde::Deserialize;
use tempfile::TempDir;

use crate::support::{confwright, lay_over, tests, write};

#[derive(Deserialize)]
struct Mistakes {
    mistake: Vec<Mistake>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistake {
    what: String,
    #[serde(default)]
    edits: Vec<[String; 3]>,
    pki: Option<Pki>,
    #[serde(default)]
    options: Vec<String>,
    id: String,
    at: Vec<[String; 2]>,
}

/// What is wrong with the certificate of mx07.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pki {
    Good,
    Missing,
    Empty,
    Swapped,
    Expired,
    Bare,
}

/// The public certificates of all rows, below `pki/`, where a column reads them.
fn issue(folder: &Path, wrong: Pki) {
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
    };
    let root = rcgen::Issuer::new(authority("root"), rcgen::KeyPair::generate().unwrap());
    let (middle, key) = (authority("middle"), rcgen::KeyPair::generate().unwrap());
    let middle_pem = middle.signed_by(&key, &root).unwrap().pem();
    let middle = rcgen::Issuer::new(middle, key);
    // Nobody looks at the keys.
    let key = rcgen::KeyPair::generate().unwrap();
    for number in 1..=64 {
        let name = format!("mx{number:02}.example.org");
        let named = match (wrong, number) {
            (Pki::Swapped, 7) => "mx08.example.org",
            (Pki::Swapped, 8) => "mx07.example.org",
            _ => &name,
        };
        let mut params = rcgen::CertificateParams::new(vec![named.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        let end = if wrong == Pki::Expired && number == 7 { 2026 } else { 2126 };
        params.not_after = rcgen::date_time_ymd(end, 3, 1);
        let leaf = params.signed_by(&key, &middle).unwrap().pem();
        let text = match (wrong, number) {
            (Pki::Missing, 7) => continue,
            (Pki::Empty, 7) => String::new(),
            (Pki::Bare, 7) => leaf,
            _ => leaf + &middle_pem,
        };
        write(folder, &format!("pki/{name}/fullchain.pem"), text);
    }
}

/// A copy of the repository's project, with golden as it should be.
fn project() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = tests();
    let root = root.parent().unwrap();
    for part in ["templates", "data", "golden"] {
        lay_over(&root.join(part), &folder.path().join(part));
    }
    std::fs::copy(root.join("confwright.toml"), folder.path().join("confwright.toml")).unwrap();
    folder
}

fn replace(folder: &Path, [file, old, new]: &[String; 3]) -> Result<(), String> {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    if text.matches(old.as_str()).count() != 1 {
        return Err(format!("{old:?} should stand once in {file}"));
    }
    std::fs::write(path, text.replacen(old, new, 1)).unwrap();
    Ok(())
}

/// The line on which a text begins: its first, once line breaks before it are over.
fn line(folder: &Path, [file, text]: &[String; 2]) -> Result<(String, u64), String> {
    let content = std::fs::read_to_string(folder.join(file)).unwrap();
    let at = content.find(text).ok_or_else(|| format!("{text:?} should stand in {file}"))?;
    let breaks = text.len() - text.trim_start_matches('\n').len();
    Ok((file.clone(), content[..at + breaks].matches('\n').count() as u64 + 1))
}

/// What `check` says of the project, as JSON.
fn check(folder: &Path, options: &[String]) -> serde_json::Value {
    let mut command = confwright(folder);
    command.args(["check", "--environment", "prod", "--format", "json"]).args(options);
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The line of docs/mistakes.md about a mistake, or what is missing.
fn judge(mistake: &Mistake) -> Result<String, String> {
    judged(mistake).map_err(|why| format!("{}: {why}", mistake.what))
}

fn judged(mistake: &Mistake) -> Result<String, String> {
    let project = project();
    let folder = project.path();
    if let Some(wrong) = mistake.pki {
        issue(folder, wrong);
        let chain =
            "row.cert ~ '/fullchain.pem'\" }\nprivate_key = { type = \"path\", expr = \"values.tls_directory";
        let local = chain.replacen('}', ", local = \"pki\" }", 1);
        replace(folder, &["confwright.toml".to_owned(), chain.to_owned(), local])?;
    }
    for edit in &mistake.edits {
        replace(folder, edit)?;
    }
    let report = check(folder, &mistake.options);
    let found = report["diagnostics"].as_array().unwrap();
    let wanted = mistake.at.iter().map(|at| line(folder, at)).collect::<Result<Vec<_>, _>>()?;
    let places = |diagnostic: &serde_json::Value| -> Vec<(String, u64)> {
        let labels = diagnostic["labels"].as_array().unwrap().iter();
        labels
            .map(|label| {
                (label["path"].as_str().unwrap_or_default().to_owned(), label["line"].as_u64().unwrap_or(0))
            })
            .collect()
    };
    let hit = found.iter().find(|diagnostic| {
        let places = places(diagnostic);
        diagnostic["id"] == mistake.id.as_str()
            && diagnostic["severity"] == "error"
            && wanted.iter().all(|place| places.contains(place))
    });
    let Some(hit) = hit else {
        let told: Vec<String> = found
            .iter()
            .filter(|diagnostic| diagnostic["severity"] == "error")
            .map(|diagnostic| {
                format!("  {} {} {:?}", diagnostic["id"], diagnostic["message"], places(diagnostic))
            })
            .collect();
        return Err(format!("wanted {} at {wanted:?}, found\n{}", mistake.id, told.join("\n")));
    };
    let at = wanted.iter().map(|(file, line)| format!("`{file}:{line}`")).collect::<Vec<_>>().join(", ");
    let id = match mistake.id.strip_prefix("postfix::") {
        Some(rule) => format!("[`{}`](lint.md#postfix{rule})", mistake.id),
        None => format!("`{}`", mistake.id),
    };
    Ok(format!("| {} | {id} | {at} | {} |\n", mistake.what, hit["message"].as_str().unwrap()))
}

#[test]
fn mistakes_are_found_where_they_were_made() {
    let text = std::fs::read_to_string(tests().join("mistakes.toml")).unwrap();
    let list: Mistakes = toml::from_str(&text).unwrap();
    let half = list.mistake.len() / 2;
    let judged: Vec<Result<String, String>> = std::thread::scope(|scope| {
        let halves = [&list.mistake[..half], &list.mistake[half..]];
        let threads = halves.map(|part| scope.spawn(|| part.iter().map(judge).collect::<Vec<_>>()));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let missed: Vec<&String> = judged.iter().filter_map(|one| one.as_ref().err()).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let page = judged.into_iter().map(Result::unwrap).collect::<String>();
    let path = tests().parent().unwrap().join("docs/mistakes.md");
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let head = there.split_inclusive("| --- | --- | --- | --- |\n").next().unwrap_or_default();
    let page = format!("{head}{page}");
    if there != page {
        assert!(
            std::env::var_os("UPDATE_DOCS").is_some(),
            "docs/mistakes.md is not what was found; run `UPDATE_DOCS=1 cargo test --test cli -- mistakes` and look at the change"
        );
        std::fs::write(path, page).unwrap();
    }
}
