//! What the targets of the program refuse of a project, beyond the types of their columns and values.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{run, write};

/// A new project of a target.
fn starter(target: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &format!("--quiet new p --target {target}")).expect(0);
    let project = folder.path().join("p");
    (folder, project)
}

/// Puts a text in the place of another one in confwright.toml.
fn replace(project: &Path, from: &str, to: &str) {
    let before = std::fs::read_to_string(project.join("confwright.toml")).unwrap();
    assert!(before.contains(from), "{before}");
    write(project, "confwright.toml", before.replace(from, to));
}

const NETWORKS: &str = r#"mynetworks = ["127.0.0.1/32"]"#;

/// The network that the postfix target names as an open relay, of those in `mynetworks`.
fn open_relay(networks: &[&str], wide: &[&str]) -> Option<String> {
    let (_folder, project) = starter("postfix");
    replace(&project, NETWORKS, &format!("mynetworks = {networks:?}\nwide_networks = {wide:?}"));
    let rendered = run(&project, "render");
    let named = rendered.stderr.split("`mynetworks` has all of ").nth(1);
    assert_eq!(rendered.status, if named.is_some() { 2 } else { 0 }, "{}", rendered.stderr);
    Some(named?.split(": ").next()?.to_owned())
}

#[test]
fn mynetworks_are_no_open_relay() {
    let refused = |networks: &[&str], wide: &[&str], named: &str| {
        assert_eq!(open_relay(networks, wide).as_deref(), Some(named), "{networks:?}");
    };
    refused(&["0.0.0.0/0"], &[], "0.0.0.0/0");
    refused(&["::/0"], &[], "::/0");
    refused(&["198.0.0.0/15"], &[], "198.0.0.0/15");
    refused(&["2001:db8::/31"], &[], "2001:db8::/31");
    refused(&["9.0.0.0/8", "10.0.0.0/8"], &[], "9.0.0.0/8");
    refused(&["198.18.0.0/15", "203.0.0.0/15"], &["198.18.0.0/15"], "203.0.0.0/15");
    // Narrow ones that are wide together.
    refused(&["198.18.0.0/16", "192.0.2.0/24", "198.19.0.0/16"], &[], "198.18.0.0/15");
    let many: Vec<String> = (0..=255_u8).map(|number| format!("9.{number}.0.0/16")).collect();
    refused(&many.iter().map(String::as_str).collect::<Vec<_>>(), &[], "9.0.0.0/8");

    for (networks, wide) in [
        (vec!["192.0.2.0/24", "198.18.0.0/16", "2001:db8::/32"], vec![]),
        (vec!["10.0.0.0/8", "172.16.0.0/12", "fd00::/8", "127.0.0.0/8"], vec![]),
        // Parts of private ranges, which are wide together, and a neighbour of one.
        (vec!["10.0.0.0/16", "10.1.0.0/16", "192.168.0.0/16", "192.169.0.0/16"], vec![]),
        (vec!["198.18.0.0/15", "198.20.0.0/16"], vec!["198.18.0.0/15"]),
        (vec![], vec![]),
    ] {
        assert_eq!(open_relay(&networks, &wide), None, "{networks:?}");
    }
}

#[test]
fn no_path_is_read_as_more() {
    for (target, value, folder) in [
        ("postfix", "tls_directory = \"/etc/ssl/mail\"", "/etc/ssl/my mail"),
        ("postfix", "tls_directory = \"/etc/ssl/mail\"", "/etc/ssl/$mail"),
        ("nginx", "site_tls_directory = \"/etc/ssl/sites\"", "/etc/ssl/a;b"),
        ("nginx", "site_tls_directory = \"/etc/ssl/sites\"", "/etc/ssl/{b"),
        ("nginx", "site_tls_directory = \"/etc/ssl/sites\"", "/etc/ssl/a b"),
    ] {
        let (_folder, project) = starter(target);
        let name = value.split(' ').next().unwrap();
        replace(&project, value, &format!("{name} = \"{folder}\""));
        let rendered = run(&project, "render").expect(2);
        for expected in ["error[table::constraint]", "the constraint is required here", "target.toml"] {
            assert!(rendered.stderr.contains(expected), "{folder}: {}", rendered.stderr);
        }
    }
    for (target, name, value) in [
        ("postfix", "queue_directory", "/var/spool/post fix"),
        ("postfix", "relay_host", "a b"),
        ("postfix", "outbound_host", "[a]:25 b"),
        ("postfix", "postmaster", "a, b"),
        ("nginx", "nginx_pid", "/run/a;b"),
    ] {
        let (_folder, project) = starter(target);
        let file = std::fs::read_to_string(project.join("confwright.toml")).unwrap();
        let lines = file.lines().filter(|line| !line.starts_with(name)).map(|line| {
            if line == "[values]" { format!("[values]\n{name} = {value:?}") } else { line.to_owned() }
        });
        write(&project, "confwright.toml", lines.collect::<Vec<_>>().join("\n"));
        let rendered = run(&project, "render").expect(2);
        let expected = format!("error[target::requires]: value `{name}`: ");
        assert!(rendered.stderr.contains(&expected), "{}", rendered.stderr);
    }
}
