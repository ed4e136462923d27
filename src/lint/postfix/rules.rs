//! The rules: one file each.

use std::fmt::Write as _;

use super::Instance;
use crate::diagnostic::Code;
use crate::lint::{Example, Findings};

mod banner;
mod bare_newline;
mod bind_address;
mod broad_permit;
mod cache_map;
mod certificates;
mod changed_default;
mod circular_value;
mod client_authentication;
mod command_service;
mod domain_list;
mod domain_twice;
mod duplicate_listener;
mod duplicate_parameter;
mod endpoint;
mod foreign_certificate;
mod helo_name;
mod host_name;
mod limit_order;
mod listener_tls;
mod map_entry;
mod map_type;
mod misplaced_restriction;
mod missing_dollar;
mod missing_service;
mod mynetworks_style;
mod next_hop;
mod open_relay;
mod overridden_certificate;
mod parameter_version;
mod service_field;
mod service_setting;
mod shared_cache;
mod shared_instance;
mod shared_tlsproxy;
mod spaced_override;
mod stale_map;
mod switched_off_family;
mod tls_policy;
mod tls_verification;
mod unbound_path;
mod undefined_name;
mod unknown_parameter;
mod unknown_program;
mod unknown_restriction;
mod unknown_transport;
mod unread_parameter;
mod value;
mod weak_protocol;
mod wrapper_mode;

/// A rule, with its documentation.
#[derive(Debug)]
pub struct Rule {
    /// Its identifier and what it finds, as a sentence.
    pub code: Code,
    /// Why that is wrong, and what to do.
    pub why: &'static str,
    /// A configuration that does not keep it.
    pub bad: Example,
    /// One that does.
    pub good: Example,
    pub(super) check: fn(&Instance<'_>, &mut Findings),
}

/// All rules, in the order of the documentation.
pub static RULES: &[&Rule] = &[
    &unknown_parameter::RULE,
    &undefined_name::RULE,
    &missing_dollar::RULE,
    &circular_value::RULE,
    &spaced_override::RULE,
    &duplicate_parameter::RULE,
    &unread_parameter::RULE,
    &value::RULE,
    &limit_order::RULE,
    &host_name::RULE,
    &banner::RULE,
    &unknown_program::RULE,
    &service_field::RULE,
    &service_setting::RULE,
    &missing_service::RULE,
    &command_service::RULE,
    &duplicate_listener::RULE,
    &switched_off_family::RULE,
    &wrapper_mode::RULE,
    &client_authentication::RULE,
    &bare_newline::RULE,
    &unknown_restriction::RULE,
    &misplaced_restriction::RULE,
    &broad_permit::RULE,
    &map_type::RULE,
    &stale_map::RULE,
    &map_entry::RULE,
    &cache_map::RULE,
    &domain_list::RULE,
    &domain_twice::RULE,
    &open_relay::RULE,
    &mynetworks_style::RULE,
    &unknown_transport::RULE,
    &next_hop::RULE,
    &endpoint::RULE,
    &unbound_path::RULE,
    &bind_address::RULE,
    &helo_name::RULE,
    &listener_tls::RULE,
    &foreign_certificate::RULE,
    &overridden_certificate::RULE,
    &shared_cache::RULE,
    &shared_tlsproxy::RULE,
    &shared_instance::RULE,
    &weak_protocol::RULE,
    &tls_verification::RULE,
    &tls_policy::RULE,
    &parameter_version::RULE,
    &changed_default::RULE,
    &certificates::MISSING,
    &certificates::UNUSABLE,
    &certificates::KEY,
    &certificates::NAME,
    &certificates::CHAIN,
    &certificates::EXPIRED,
];

pub(in crate::lint::postfix) use shared_instance::between;

/// The documentation of all rules.
pub fn document() -> String {
    let mut page = String::from("| rule | what it finds |\n| --- | --- |\n");
    // Writing to a string never fails.
    for rule in RULES {
        let anchor = rule.code.id.replace(':', "");
        let _ = writeln!(page, "| [`{}`](#{anchor}) | {} |", rule.code.id, rule.code.about);
    }
    for rule in RULES {
        let _ = write!(page, "\n## {}\n\n{} {}\n", rule.code.id, rule.code.about, rule.why);
        for (what, example) in [("Bad", &rule.bad), ("Good", &rule.good)] {
            for (file, text) in example.files {
                let _ = write!(page, "\n{what}, in `{file}`:\n\n```text\n{}\n```\n", text.trim_end());
            }
        }
    }
    page
}
