use super::Rule;
use crate::diagnostic::Code;
use crate::lint::postfix::{Instance, expand};
use crate::lint::{Example, Finding, Findings};

pub(super) static RULE: Rule = Rule {
    code: Code { id: "postfix::circular-value", about: "The value of a parameter is made of itself." },
    why: "No program of Postfix starts: `unreasonable macro call nesting`.",
    bad: Example { files: &[("main.cf", "mydomain = $myorigin\nmyorigin = $mydomain\n")] },
    good: Example { files: &[("main.cf", "mydomain = example.org\nmyorigin = $mydomain\n")] },
    check,
};

fn check(instance: &Instance<'_>, findings: &mut Findings) {
    let mut told = Vec::new();
    for (service, setting) in instance.effective() {
        let Some(mut circle) = expand::circle(&setting.name, &|name| instance.raw(service, name)) else {
            continue;
        };
        // Each circle is told once, at one of its own.
        if !circle.contains(&setting.name) {
            continue;
        }
        let way = format!("{} -> {}", circle.join(" -> "), circle[0]);
        circle.sort();
        if !told.contains(&circle) {
            told.push(circle);
            let message = format!("the value of `{}` is made of itself: {way}", setting.name);
            findings.push(Finding::new(&RULE.code, setting.place(), message));
        }
    }
}
