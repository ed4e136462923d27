//! Names of files that the reader of their folder skips without a word.

use camino::Utf8Path;

/// What the reader of a folder takes.
enum Taken {
    /// Letters, digits, `_` and `-`, as run-parts(8) and cron(8) want it.
    Plain,
    /// Names without a dot, and without `~` at the end, as sudoers(5) wants it.
    Undotted,
    /// Names that end with one of these.
    Ending(&'static [&'static str]),
}

/// Folders by their names, with who reads them.
const FOLDERS: &[(&str, &str, Taken)] = &[
    ("sudoers.d", "sudo", Taken::Undotted),
    ("cron.d", "cron", Taken::Plain),
    ("cron.hourly", "run-parts", Taken::Plain),
    ("cron.daily", "run-parts", Taken::Plain),
    ("cron.weekly", "run-parts", Taken::Plain),
    ("cron.monthly", "run-parts", Taken::Plain),
    ("cron.yearly", "run-parts", Taken::Plain),
    ("update-motd.d", "run-parts", Taken::Plain),
    ("if-pre-up.d", "run-parts", Taken::Plain),
    ("if-up.d", "run-parts", Taken::Plain),
    ("if-down.d", "run-parts", Taken::Plain),
    ("if-post-down.d", "run-parts", Taken::Plain),
    ("sysctl.d", "sysctl", Taken::Ending(&[".conf"])),
    ("tmpfiles.d", "systemd-tmpfiles", Taken::Ending(&[".conf"])),
    ("sysusers.d", "systemd-sysusers", Taken::Ending(&[".conf"])),
    ("modules-load.d", "systemd-modules-load", Taken::Ending(&[".conf"])),
    ("modprobe.d", "modprobe", Taken::Ending(&[".conf"])),
    ("sshd_config.d", "sshd", Taken::Ending(&[".conf"])),
    ("sources.list.d", "apt", Taken::Ending(&[".list", ".sources"])),
    ("profile.d", "the login shell", Taken::Ending(&[".sh", ".csh"])),
];

/// Why nobody reads a file at a path: a phrase, and what to do.
pub(super) fn skipped(path: &Utf8Path) -> Option<(String, String)> {
    let (folder, name) = (path.parent()?.file_name()?, path.file_name()?);
    let (_, reader, taken) = FOLDERS.iter().find(|(known, ..)| *known == folder)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let slug = || name.replace('.', "-").trim_end_matches('~').to_owned();
    let (why, write) = match taken {
        Taken::Plain if !name.chars().all(is_plain) => {
            ("names with other characters than letters, digits, `_` and `-`".to_owned(), slug())
        }
        Taken::Undotted if name.contains('.') || name.ends_with('~') => {
            ("names with a dot or a `~` at the end".to_owned(), slug())
        }
        Taken::Ending(ends) if !ends.iter().any(|end| name.ends_with(end)) => {
            let ends: Vec<String> = ends.iter().map(|end| format!("`{end}`")).collect();
            let name = format!("{name}{}", ends[0].trim_matches('`'));
            (format!("names that do not end with {}", ends.join(" or ")), name)
        }
        _ => return None,
    };
    Some((format!("{reader} skips {why} in `{folder}`"), format!("call it `{write}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged() {
        for path in [
            "access/sudoers.d/ops.conf",
            "etc/sudoers.d/ops~",
            "etc/cron.d/backup.sh",
            "x/cron.daily/a b",
            "etc/sysctl.d/10-net",
        ] {
            assert!(skipped(Utf8Path::new(path)).is_some(), "{path}");
        }
        for path in ["sudoers.d/ops", "cron.d/back_up-1", "etc/sysctl.d/10-net.conf", "cron.d", "a/b.conf"] {
            assert_eq!(skipped(Utf8Path::new(path)), None);
        }
    }
}
