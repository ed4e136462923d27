//! The lint of Postfix: what it finds in the repository's own instance once that is damaged, and what it has to leave in
//! peace.

use std::path::Path;

use crate::support::{Run, confwright, lay_over, tests};

/// A mistake: its name, the rule that finds it, and for each file what is put in the place of what. Nothing stands for the
/// end of the file.
type Mistake = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const MISTAKES: &[Mistake] = &[
    (
        "a misspelt parameter",
        "unknown-parameter",
        &[("main.cf", "smtpd_helo_required", "smtpd_helo_requird")],
    ),
    (
        "a misspelt override",
        "unknown-parameter",
        &[("master.cf", "smtp_helo_name=mx02", "smtp_hello_name=mx02")],
    ),
    (
        "a setting of no transport",
        "unknown-parameter",
        &[("main.cf", "", "out-mx99_destination_concurrency_limit = 3\n")],
    ),
    (
        "a name without a value",
        "undefined-name",
        &[("main.cf", "$double_bounce_sender", "$double_bounce_sendr")],
    ),
    (
        "spaces around the sign",
        "spaced-override",
        &[("master.cf", "syslog_name=postfix/mx02", "syslog_name = postfix/mx02")],
    ),
    (
        "a space behind a comma",
        "spaced-override",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtpd_client_restrictions=permit_mynetworks, reject\n",
        )],
    ),
    ("a parameter twice", "duplicate-parameter", &[("main.cf", "", "mynetworks = 127.0.0.0/8\n")]),
    (
        "an override twice",
        "duplicate-parameter",
        &[(
            "master.cf",
            "  -o smtp_helo_name=mx02.example.org\n",
            "  -o smtp_helo_name=mx02.example.org\n  -o smtp_helo_name=mx02.example.org\n",
        )],
    ),
    (
        "a bind address of smtpd",
        "unread-parameter",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtp_bind_address=192.0.2.2\n",
        )],
    ),
    (
        "a level of smtpd for smtp",
        "unread-parameter",
        &[(
            "master.cf",
            "  -o smtp_helo_name=mx02.example.org\n",
            "  -o smtp_helo_name=mx02.example.org\n  -o smtpd_tls_security_level=may\n",
        )],
    ),
    (
        "a level of smtp for lmtp",
        "unread-parameter",
        &[("master.cf", "", "lm unix - - n - - lmtp\n  -o smtp_tls_security_level=may\n")],
    ),
    ("true", "value", &[("main.cf", "smtpd_helo_required = yes", "smtpd_helo_required = true")]),
    (
        "a unit of time",
        "value",
        &[("main.cf", "smtpd_error_sleep_time = 1s", "smtpd_error_sleep_time = 1 sec")],
    ),
    ("a unit of size", "value", &[("main.cf", "message_size_limit = 52428800", "message_size_limit = 50M")]),
    (
        "a level of TLS",
        "value",
        &[("master.cf", "", "192.0.2.1:587 inet n - n - - smtpd\n  -o smtpd_tls_security_level=encript\n")],
    ),
    (
        "bits behind the prefix",
        "value",
        &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks = 192.0.2.1/24\n")],
    ),
    (
        "an IPv6 network without brackets",
        "value",
        &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks = 2001:db8::/64\n")],
    ),
    ("a misspelt program", "unknown-program", &[("master.cf", " smtpd\n", " smptd\n")]),
    ("an address twice", "duplicate-listener", &[("master.cf", "192.0.2.2:25 ", "192.0.2.1:25 ")]),
    (
        "an address twice, by the port's name",
        "duplicate-listener",
        &[("master.cf", "192.0.2.2:25 ", "192.0.2.1:smtp ")],
    ),
    ("an address and all", "duplicate-listener", &[("master.cf", "", "smtp inet n - n - - smtpd\n")]),
    (
        "a transport twice",
        "duplicate-listener",
        &[("master.cf", "out-mx02-example-org unix", "out-mx01-example-org unix")],
    ),
    (
        "a misspelt restriction",
        "unknown-restriction",
        &[(
            "main.cf",
            "= permit_mynetworks, reject_unauth_destination\n",
            "= permit_mynetwork, reject_unauth_destination\n",
        )],
    ),
    (
        "a misspelt restriction of a listener",
        "unknown-restriction",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtpd_client_restrictions=permit_mynetwork,reject\n",
        )],
    ),
    (
        "a check without a map",
        "unknown-restriction",
        &[(
            "main.cf",
            "smtpd_client_restrictions =\n",
            "smtpd_client_restrictions = check_client_access, reject_unknown_client_hostname\n",
        )],
    ),
    (
        "a check with a path",
        "unknown-restriction",
        &[(
            "main.cf",
            "smtpd_client_restrictions =\n",
            "smtpd_client_restrictions = check_client_access /etc/postfix/x\n",
        )],
    ),
    (
        "a list without its name",
        "unknown-restriction",
        &[("main.cf", "smtpd_client_restrictions =\n", "smtpd_client_restrictions = reject_rbl_client\n")],
    ),
    (
        "a misspelt restriction of a class",
        "unknown-restriction",
        &[("main.cf", "", "smtpd_restriction_classes = strict\nstrict = reject_unknown_sender_domian\n")],
    ),
    (
        "a misspelt action of a map",
        "unknown-restriction",
        &[
            (
                "main.cf",
                "smtpd_client_restrictions =\n",
                "smtpd_client_restrictions = check_client_access texthash:$config_directory/clients\n",
            ),
            ("clients", "", "192.0.2.7 REJCT\n"),
        ],
    ),
    (
        "what follows a permit",
        "misplaced-restriction",
        &[(
            "main.cf",
            "smtpd_client_restrictions =\n",
            "smtpd_client_restrictions = permit, reject_rbl_client dnsbl.example\n",
        )],
    ),
    ("a misspelt type of maps", "unknown-map-type", &[("main.cf", "texthash:", "texthahs:")]),
    ("a map without a type", "unknown-map-type", &[("main.cf", "texthash:", "")]),
    (
        "a misspelt type in a check",
        "unknown-map-type",
        &[(
            "main.cf",
            "smtpd_client_restrictions =\n",
            "smtpd_client_restrictions = check_client_access texthahs:/etc/x\n",
        )],
    ),
    ("a map that is not compiled", "stale-map", &[("main.cf", "texthash:", "hash:")]),
    ("a map behind proxymap that is not compiled", "stale-map", &[("main.cf", "texthash:", "proxy:lmdb:")]),
    ("a misspelt file", "stale-map", &[("main.cf", "/sender_transport\n", "/sender_transprot\n")]),
    (
        "all of IPv4",
        "open-relay",
        &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks = 0.0.0.0/0\n")],
    ),
    (
        "both halves of IPv4",
        "open-relay",
        &[(
            "main.cf",
            "mynetworks = 127.0.0.1/32 198.51.100.0/24\n",
            "mynetworks = 0.0.0.0/1, 128.0.0.0/1\n",
        )],
    ),
    (
        "all of IPv6",
        "open-relay",
        &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks = [::]/0\n")],
    ),
    (
        "IPv4 as IPv6",
        "open-relay",
        &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks = [::ffff:0.0.0.0]/96\n")],
    ),
    (
        "a map of everything",
        "open-relay",
        &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks = static:all\n")],
    ),
    (
        "a table of everything",
        "open-relay",
        &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks = cidr:{{0.0.0.0/0 OK}}\n")],
    ),
    (
        "a file of everything",
        "open-relay",
        &[
            ("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks = /etc/postfix/nets\n"),
            ("nets", "", "127.0.0.1\n0.0.0.0/0\n"),
        ],
    ),
    (
        "everything by another name",
        "open-relay",
        &[(
            "main.cf",
            "mynetworks = 127.0.0.1/32 198.51.100.0/24\n",
            "mynetworks = $ours\nours = 0.0.0.0/0\n",
        )],
    ),
    (
        "many networks",
        "open-relay",
        &[(
            "main.cf",
            "mynetworks = 127.0.0.1/32 198.51.100.0/24\n",
            "mynetworks = 11.0.0.0/16 12.0.0.0/16 13.0.0.0/16 14.0.0.0/16 15.0.0.0/16 16.0.0.0/16 17.0.0.0/16 18.0.0.0/16 19.0.0.0/16\n",
        )],
    ),
    (
        "everything for one listener",
        "open-relay",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o mynetworks=0.0.0.0/0\n",
        )],
    ),
    (
        "no restriction for one listener",
        "open-relay",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtpd_relay_restrictions= -o smtpd_recipient_restrictions=\n",
        )],
    ),
    (
        "a permit at the end",
        "open-relay",
        &[
            (
                "main.cf",
                "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
                "smtpd_relay_restrictions = permit_mynetworks, permit\n",
            ),
            (
                "main.cf",
                "reject_non_fqdn_recipient, permit_mynetworks, reject_unauth_destination, reject_unverified_recipient",
                "",
            ),
        ],
    ),
    (
        "no end",
        "open-relay",
        &[
            (
                "main.cf",
                "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
                "smtpd_relay_restrictions = permit_mynetworks\n",
            ),
            (
                "main.cf",
                "reject_non_fqdn_recipient, permit_mynetworks, reject_unauth_destination, reject_unverified_recipient",
                "reject_non_fqdn_recipient",
            ),
        ],
    ),
    (
        "a sender that anybody can claim",
        "open-relay",
        &[
            (
                "main.cf",
                "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
                "smtpd_relay_restrictions = check_sender_access inline:{example.org=OK}, reject_unauth_destination\n",
            ),
            (
                "main.cf",
                "reject_non_fqdn_recipient, permit_mynetworks, reject_unauth_destination, reject_unverified_recipient",
                "",
            ),
        ],
    ),
    (
        "any client may claim another",
        "open-relay",
        &[("main.cf", "", "smtpd_authorized_xclient_hosts = 0.0.0.0/0\n")],
    ),
    (
        "all domains",
        "open-relay",
        &[("main.cf", "relay_domains = example.org\n", "relay_domains = pcre:{{/./ OK}}\n")],
    ),
    ("no networks", "mynetworks-style", &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "")]),
    (
        "a style",
        "mynetworks-style",
        &[("main.cf", "mynetworks = 127.0.0.1/32 198.51.100.0/24\n", "mynetworks_style = subnet\n")],
    ),
    (
        "a misspelt transport of a map",
        "unknown-transport",
        &[("sender_transport", "out-mx02-example-org:", "out-mx002-example-org:")],
    ),
    (
        "a misspelt transport",
        "unknown-transport",
        &[("main.cf", "relay_transport = relay", "relay_transport = rely")],
    ),
    (
        "a filter that is none",
        "unknown-transport",
        &[
            (
                "main.cf",
                "smtpd_client_restrictions =\n",
                "smtpd_client_restrictions = check_client_access texthash:$config_directory/clients\n",
            ),
            ("clients", "", "192.0.2.7 FILTER scan:[127.0.0.1]:9\n"),
        ],
    ),
    (
        "mail by default",
        "unbound-path",
        &[
            ("master.cf", "", "smtp unix - - n - - smtp\n"),
            (
                "main.cf",
                "default_transport = retry:4.3.5 no outbound address for this sender\n",
                "default_transport = smtp\n",
            ),
        ],
    ),
    (
        "mail by the default of the default",
        "unbound-path",
        &[
            ("master.cf", "", "smtp unix - - n - - smtp\n"),
            ("main.cf", "\ndefault_transport = retry:4.3.5 no outbound address for this sender\n", "\n"),
        ],
    ),
    (
        "mail by a map",
        "unbound-path",
        &[
            ("master.cf", "", "smtp unix - - n - - smtp\n"),
            ("main.cf", "\ntransport_maps =", "\ntransport_maps = inline:{example.net=smtp:}"),
        ],
    ),
    (
        "mail by a filter",
        "unbound-path",
        &[
            ("master.cf", "", "scan unix - - n - - smtp\n"),
            ("main.cf", "content_filter =", "content_filter = scan:[192.0.2.200]:10025"),
        ],
    ),
    ("mail to the mailboxes", "unbound-path", &[("master.cf", "  -o smtp_bind_address=192.0.2.1\n", "")]),
    ("mail of one row", "unbound-path", &[("master.cf", "  -o smtp_bind_address=192.0.2.2\n", "")]),
    ("bounces", "unbound-path", &[("sender_transport", "<> out-mx01-example-org:\n", "")]),
    (
        "an address of nothing",
        "foreign-bind-address",
        &[("master.cf", "smtp_bind_address=192.0.2.2\n", "smtp_bind_address=192.0.2.222\n")],
    ),
    (
        "the address of another row",
        "foreign-helo-name",
        &[("master.cf", "smtp_bind_address=192.0.2.2\n", "smtp_bind_address=192.0.2.3\n")],
    ),
    (
        "the name of another row",
        "foreign-helo-name",
        &[("master.cf", "smtp_helo_name=mx02", "smtp_helo_name=mx03")],
    ),
    (
        "the name of no row",
        "foreign-helo-name",
        &[("master.cf", "smtp_helo_name=mx02.", "smtp_helo_name=mail.")],
    ),
    ("no name", "foreign-helo-name", &[("master.cf", "  -o smtp_helo_name=mx02.example.org\n", "")]),
    (
        "a common certificate",
        "overridden-certificate",
        &[("main.cf", "smtpd_tls_chain_files =", "smtpd_tls_chain_files = /etc/ssl/a.pem")],
    ),
    (
        "two postscreens",
        "shared-cache",
        &[(
            "master.cf",
            "",
            "192.0.2.1:26 inet n - n - 1 postscreen\n192.0.2.2:26 inet n - n - 1 postscreen\n",
        )],
    ),
    (
        "TLS 1.0",
        "weak-protocol",
        &[("main.cf", "smtpd_tls_protocols = >=TLSv1.2", "smtpd_tls_protocols = !SSLv2, !SSLv3")],
    ),
    (
        "TLS 1.1 of a listener",
        "weak-protocol",
        &[("master.cf", "smtpd_tls_protocols=>=TLSv1.2", "smtpd_tls_protocols=>=TLSv1.1")],
    ),
    (
        "the name of a parameter",
        "missing-dollar",
        &[("main.cf", "myorigin = $mydomain", "myorigin = mydomain")],
    ),
    ("a circle", "circular-value", &[("main.cf", "mydomain = example.org", "mydomain = $myorigin")]),
    (
        "a service's value of itself",
        "circular-value",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtpd_milters=$smtpd_milters\n",
        )],
    ),
    (
        "a bounce that outlives mail",
        "limit-order",
        &[("main.cf", "bounce_queue_lifetime = 2d", "bounce_queue_lifetime = 9d")],
    ),
    (
        "an underscore in the name",
        "host-name",
        &[("main.cf", "myhostname = mail.example.org", "myhostname = mail_1.example.org")],
    ),
    (
        "an address for a name",
        "host-name",
        &[("master.cf", "smtp_helo_name=mx02.example.org", "smtp_helo_name=192.0.2.2")],
    ),
    (
        "a greeting without the name",
        "banner",
        &[("main.cf", "smtpd_banner = $myhostname ESMTP", "smtpd_banner = ESMTP")],
    ),
    (
        "the greeting of another",
        "banner",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o { smtpd_banner = mx03.example.org ESMTP }\n",
        )],
    ),
    ("a port above all", "service-field", &[("master.cf", "192.0.2.2:25 ", "192.0.2.2:70000 ")]),
    ("a private listener", "service-field", &[("master.cf", "192.0.2.2:25 inet n", "192.0.2.2:25 inet -")]),
    (
        "a limit that is no number",
        "service-field",
        &[("master.cf", "relay unix - - n - 20", "relay unix - - n - many")],
    ),
    (
        "a queue manager of many",
        "service-setting",
        &[("master.cf", "qmgr unix n - n 300 1", "qmgr unix n - n 300 -")],
    ),
    (
        "a queue manager that sleeps",
        "service-setting",
        &[("master.cf", "qmgr unix n - n 300 1", "qmgr unix n - n - 1")],
    ),
    ("a cleanup that nobody finds", "service-setting", &[("master.cf", "cleanup unix n", "cleanup unix -")]),
    (
        "a delivery without privileges",
        "service-setting",
        &[("master.cf", "", "local unix - - n - - local\n")],
    ),
    ("no rewriting", "missing-service", &[("master.cf", "rewrite unix - - n - - trivial-rewrite\n", "")]),
    ("no verification", "missing-service", &[("master.cf", "verify unix - - n - 1 verify\n", "")]),
    (
        "no service behind postscreen",
        "missing-service",
        &[("master.cf", "", "192.0.2.99:25 inet n - n - 1 postscreen\n")],
    ),
    (
        "a command without a user",
        "command-service",
        &[("master.cf", "", "lists unix - n n - - pipe\n  flags=R argv=/bin/deliver $recipient\n")],
    ),
    (
        "a command as root",
        "command-service",
        &[("master.cf", "", "lists unix - n n - 0 spawn\n  user=root argv=/bin/deliver\n")],
    ),
    (
        "a family that is off",
        "switched-off-family",
        &[("master.cf", "", "[2001:db8::1]:25 inet n - n - - smtpd\n")],
    ),
    (
        "TLS first at 25",
        "wrapper-mode",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtpd_tls_wrappermode=yes\n",
        )],
    ),
    ("no TLS at 465", "wrapper-mode", &[("master.cf", "", "192.0.2.1:465 inet n - n - - smtpd\n")]),
    (
        "smtps by a map",
        "wrapper-mode",
        &[("sender_transport", "out-mx02-example-org:", "out-mx02-example-org:[192.0.2.9]:465")],
    ),
    (
        "passwords in clear",
        "client-authentication",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=no\n",
        )],
    ),
    (
        "a submission of nobody",
        "client-authentication",
        &[(
            "master.cf",
            "",
            "192.0.2.1:587 inet n - n - - smtpd\n  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n",
        )],
    ),
    (
        "smuggled mail",
        "bare-newline",
        &[("main.cf", "smtpd_forbid_bare_newline = normalize", "smtpd_forbid_bare_newline = no")],
    ),
    (
        "a list's pattern",
        "unknown-restriction",
        &[(
            "main.cf",
            "smtpd_client_restrictions =\n",
            "smtpd_client_restrictions = reject_rbl_client dnsbl.example.org=127.0.0.\n",
        )],
    ),
    (
        "a weight of a list",
        "unknown-restriction",
        &[("main.cf", "", "postscreen_dnsbl_sites = dnsbl.example.org*two\n")],
    ),
    (
        "a warning of nothing",
        "misplaced-restriction",
        &[("main.cf", "smtpd_client_restrictions =\n", "smtpd_client_restrictions = warn_if_reject\n")],
    ),
    (
        "backups of all",
        "broad-permit",
        &[(
            "main.cf",
            "smtpd_relay_restrictions = permit_mynetworks,",
            "smtpd_relay_restrictions = permit_mx_backup,",
        )],
    ),
    (
        "certificates of all",
        "broad-permit",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtpd_relay_restrictions=permit_tls_all_clientcerts,reject\n",
        )],
    ),
    (
        "a map that is not there",
        "stale-map",
        &[(
            "main.cf",
            "sender_dependent_relayhost_maps =",
            "sender_dependent_relayhost_maps = texthash:$config_directory/elsewhere",
        )],
    ),
    ("a key twice", "map-entry", &[("sender_transport", "", "@example.org out-mx02-example-org:\n")]),
    (
        "a key without a value",
        "map-entry",
        &[("sender_transport", "news@example.org out-mx02-example-org:", "news@example.org")],
    ),
    (
        "a network of a map",
        "map-entry",
        &[
            (
                "main.cf",
                "smtpd_client_restrictions =\n",
                "smtpd_client_restrictions = check_client_access cidr:$config_directory/clients\n",
            ),
            ("clients", "", "192.0.2.7/24 REJECT\n"),
        ],
    ),
    (
        "a cache that is not written",
        "cache-map",
        &[("main.cf", "address_verify_map =", "address_verify_map = texthash:/etc/postfix/verify")],
    ),
    ("a wildcard", "domain-list", &[("main.cf", "relay_domains = example.org", "relay_domains = *")]),
    (
        "a domain twice",
        "domain-twice",
        &[("main.cf", "virtual_alias_domains =", "virtual_alias_domains = example.org")],
    ),
    (
        "a bracket",
        "next-hop",
        &[(
            "main.cf",
            "relay_transport = relay:[mailboxes.example.org]:25",
            "relay_transport = relay:[mailboxes.example.org:25",
        )],
    ),
    ("a port's name", "next-hop", &[("main.cf", "relayhost =\n", "relayhost = [mail.example.org]:smpt\n")]),
    (
        "a comment behind a value",
        "next-hop",
        &[("sender_transport", "out-mx02-example-org:", "out-mx02-example-org: # two")],
    ),
    ("an indented key", "next-hop", &[("sender_transport", "\nnews@", "\n news@")]),
    (
        "a transport for a relayhost",
        "next-hop",
        &[("main.cf", "relayhost =\n", "relayhost = relay:[mail.example.org]\n")],
    ),
    (
        "a milter without a port",
        "endpoint",
        &[("main.cf", "smtpd_milters =\n", "smtpd_milters = inet:localhost\n")],
    ),
    (
        "a policy server of no type",
        "endpoint",
        &[(
            "main.cf",
            "smtpd_client_restrictions =\n",
            "smtpd_client_restrictions = check_policy_service localhost:10023\n",
        )],
    ),
    (
        "TLS without a certificate",
        "listener-tls",
        &[(
            "master.cf",
            "  -o smtpd_tls_cert_file=/etc/ssl/mail/mx02.example.org/fullchain.pem\n  -o smtpd_tls_key_file=/etc/ssl/mail/mx02.example.org/privkey.pem\n",
            "",
        )],
    ),
    (
        "a certificate without a key",
        "listener-tls",
        &[("master.cf", "  -o smtpd_tls_key_file=/etc/ssl/mail/mx02.example.org/privkey.pem\n", "")],
    ),
    (
        "a certificate without TLS",
        "listener-tls",
        &[(
            "master.cf",
            "  -o syslog_name=postfix/mx02.example.org\n",
            "  -o syslog_name=postfix/mx02.example.org\n  -o smtpd_tls_security_level=none\n",
        )],
    ),
    (
        "the certificate of another row",
        "foreign-certificate",
        &[("master.cf", "mx02.example.org/fullchain", "mx03.example.org/fullchain")],
    ),
    (
        "a level without authorities",
        "tls-verification",
        &[
            ("main.cf", "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\n", ""),
            ("main.cf", "smtp_tls_security_level = may", "smtp_tls_security_level = secure"),
        ],
    ),
    (
        "dane without dnssec",
        "tls-verification",
        &[(
            "master.cf",
            "smtp_helo_name=mx02.example.org",
            "smtp_helo_name=mx02.example.org -o smtp_tls_security_level=dane",
        )],
    ),
    (
        "a level of a policy",
        "tls-policy",
        &[("main.cf", "", "smtp_tls_policy_maps = inline:{example.net=encript}\n")],
    ),
    ("an empty value", "value", &[("main.cf", "mail.example.org", "mail.example.org\nmail_name =")]),
    (
        "a value below the least",
        "value",
        &[("main.cf", "smtpd_recipient_limit = 200", "smtpd_recipient_limit = 0")],
    ),
    ("a path that is none", "value", &[("main.cf", "queue_directory = /var", "queue_directory = var")]),
    ("a name in mynetworks", "value", &[("main.cf", "mynetworks = 127.0.0.1/32", "mynetworks = localhost")]),
    ("an interface", "value", &[("main.cf", "inet_interfaces = all", "inet_interfaces = al")]),
    ("all of TLS", "weak-protocol", &[("main.cf", "smtp_tls_protocols = >=TLSv1.2", "smtp_tls_protocols =")]),
];

/// Lints a copy of the repository's instance, with some text in the place of other.
fn lint(edits: &[(&str, &str, &str)]) -> Run {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("postfix");
    std::fs::create_dir(&folder).unwrap();
    lay_over(&tests().parent().unwrap().join("golden/prod/postfix"), &folder);
    for (file, from, to) in edits {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text.contains(from), "{file} has no {from:?}");
        let changed = if from.is_empty() { text + to } else { text.replacen(from, to, 1) };
        std::fs::write(path, changed).unwrap();
    }
    run(scratch.path(), &["lint", "postfix", "postfix", "--as-of", "2026-12-01", "--format", "json"])
}

fn run(folder: &Path, arguments: &[&str]) -> Run {
    confwright(folder).args(arguments).output().unwrap().into()
}

fn ids(run: &Run) -> Vec<String> {
    let document = run.json();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn mistakes_are_found() {
    assert_eq!(ids(&lint(&[]).expect(0)), Vec::<String>::new());
    let mut missed = Vec::new();
    for (name, rule, edits) in MISTAKES {
        let run = lint(edits);
        if run.status != 1 || !ids(&run).contains(&format!("postfix::{rule}")) {
            missed.push(format!("{name}: {rule} is not found, but {:?}", ids(&run)));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn hardened_instances_are_left_in_peace() {
    let run = run(&tests().join("lint"), &["lint", "postfix", "hardened", "--format", "json"]).expect(0);
    assert_eq!(ids(&run), Vec::<String>::new());
    assert_eq!(run.json()["folders"].as_array().unwrap().len(), 3);
}

#[test]
fn common_instances_are_left_in_peace() {
    let run = run(&tests().join("lint"), &["lint", "postfix", "common", "--format", "json"]).expect(0);
    assert_eq!(ids(&run), Vec::<String>::new());
    assert_eq!(run.json()["folders"].as_array().unwrap().len(), 6);
}
