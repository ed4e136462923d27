use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::Instance;
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::unknown-map-type", about: "A map has no type, or one that does not exist." },
    why: "What looks into the map fails: mail waits, or is answered with an error.",
    bad: Example { files: &[("main.cf", "transport_maps = texthas:$config_directory/transport\n")] },
    good: Example {
        files: &[
            ("main.cf", "transport_maps = texthash:$config_directory/transport\n"),
            ("transport", "example.org smtp:[192.0.2.9]\n"),
        ],
    },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let known = &instance.facts.maps;
    for map in instance.map_names() {
        if known.contains(map.kind.as_str()) || !instance.is_certain(map.service, &map.name) {
            continue;
        }
        let finding = if map.kind.is_empty() {
            let message = format!("`{}` is no map: `{}` wants `type:name`", map.name, map.parameter);
            Finding::new(&RULE.code, map.place, message)
                .hint(format!("did you mean `texthash:{}`?", map.name))
        } else {
            let message = format!("there is no type of maps `{}`", map.kind);
            Finding::new(&RULE.code, map.place, message).nearest(&map.kind, known.iter().copied())
        };
        findings.push(finding);
    }
    for (service, setting) in
        instance.effective().filter(|(_, setting)| setting.name == "default_database_type")
    {
        let kind = instance.value(service, &setting.name);
        if !kind.is_empty() && !known.contains(kind.as_str()) {
            let message = format!("there is no type of maps `{kind}`");
            let finding = Finding::new(&RULE.code, setting.place(), message);
            findings.push(finding.nearest(&kind, known.iter().copied()));
        }
    }
}
