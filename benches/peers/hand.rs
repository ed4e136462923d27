//! `hand (files | plain-files | each) CSV OUT SITE`: what a person would write in Rust for this one job.
//!
//! `files` renders, hashes and writes the four mail files, each in one pass, and `plain-files` does not hash them. `each` makes
//! a file for each row as confwright writes them: all are staged with their modes and hashes, the list of the hashes
//! is written, and only then all are renamed into place. Nothing is synchronised to the disk, nor does confwright do so
//! where nothing stands yet. A peer of the benchmarks; `benches/run` builds and runs it.
#![expect(clippy::disallowed_methods, reason = "a program of its own")]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use sha2::{Digest as _, Sha256};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const BUFFER: usize = 256 * 1024;

/// Appends pieces of text to a buffer.
macro_rules! put {
    ($out:expr, $($piece:expr),+ $(,)?) => {{ $($out.extend_from_slice($piece.as_bytes());)+ }};
}

/// The cells of a row.
struct Row<'a> {
    ip: &'a str,
    fqdn: &'a str,
    cert: &'a str,
    transport: &'a str,
}

/// Calls `each` for every row of a table without quotes.
fn rows<'a>(table: &'a str, mut each: impl FnMut(&Row<'a>) -> Result<()>) -> Result<()> {
    let bytes = table.as_bytes();
    let mut begin = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    while begin < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[begin..]).map_or(bytes.len(), |end| begin + end);
        let line = &table[begin..end];
        let mut commas = memchr::memchr_iter(b',', line.as_bytes());
        let (Some(a), Some(b), Some(c)) = (commas.next(), commas.next(), commas.next()) else {
            return Err(format!("expected four cells, found `{line}`").into());
        };
        each(&Row {
            ip: &line[..a],
            fqdn: &line[a + 1..b],
            cert: &line[b + 1..c],
            transport: &line[c + 1..],
        })?;
        begin = end + 1;
    }
    Ok(())
}

/// A file that is written in large pieces.
struct Output {
    file: File,
    hash: Option<Sha256>,
    buffer: Vec<u8>,
}

impl Output {
    fn create(path: &str, hashed: bool) -> Result<Self> {
        let hash = hashed.then(Sha256::new);
        Ok(Self { file: File::create(path)?, hash, buffer: Vec::with_capacity(BUFFER + 4096) })
    }

    fn rows<'a>(&mut self, table: &'a str, write: impl Fn(&mut Vec<u8>, &Row<'a>)) -> Result<()> {
        rows(table, |row| {
            write(&mut self.buffer, row);
            if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
        })
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(hash) = &mut self.hash {
            hash.update(&self.buffer);
        }
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the rest, and the line for `SHA256SUMS`.
    fn finish(mut self, name: &str, sums: &mut Vec<u8>) -> Result<()> {
        self.flush()?;
        if let Some(hash) = self.hash {
            put_sum(sums, &hash.finalize(), name);
        }
        Ok(())
    }
}

fn put_sum(sums: &mut Vec<u8>, hash: &[u8], name: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in hash {
        sums.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    put!(sums, "  ", name, "\n");
}

fn files(table: &str, out: &str, site: &str, hashed: bool) -> Result<()> {
    fs::create_dir_all(out)?;
    let create = |name: &str| Output::create(&format!("{out}/{name}"), hashed);
    let mut sums = Vec::new();

    let mut main = create("main.cf")?;
    put!(main.buffer, "# main.cf of ", site, "\ncompatibility_level = 3.6\nmyorigin = ", site, MAIN);
    main.finish("main.cf", &mut sums)?;

    let mut master = create("master.cf")?;
    put!(master.buffer, "# master.cf of ", site, MASTER);
    master.rows(table, |out, row| {
        put!(out, row.ip, ":smtp inet n - y - - smtpd\n  -o syslog_name=postfix/in-", row.transport);
        put!(out, "\n  -o myhostname=", row.fqdn, "\n  -o smtpd_banner=$myhostname ESMTP");
        put!(out, "\n  -o smtpd_tls_cert_file=/etc/ssl/mail/", row.cert, ".pem");
        put!(
            out,
            "\n  -o smtpd_tls_key_file=/etc/ssl/mail/",
            row.cert,
            ".key",
            LISTENER,
            row.transport,
            ".pcre\n"
        );
    })?;
    put!(master.buffer, "# outbound transports\n");
    master.rows(table, |out, row| {
        put!(
            out,
            "out-",
            row.transport,
            " unix - - y - 20 smtp\n  -o syslog_name=postfix/out-",
            row.transport
        );
        put!(out, "\n  -o smtp_bind_address=", row.ip, "\n  -o smtp_helo_name=", row.fqdn);
        put!(out, "\n  -o smtp_tls_security_level=may\n  -o smtp_tls_loglevel=1\n");
    })?;
    put!(master.buffer, "# end\n");
    master.finish("master.cf", &mut sums)?;

    let mut senders = create("senders")?;
    put!(senders.buffer, "# where mail of a sender leaves, of ", site, "\n");
    senders.rows(table, |out, row| put!(out, "@", row.fqdn, "    out-", row.transport, ":\n"))?;
    put!(senders.buffer, "# end\n");
    senders.finish("senders", &mut sums)?;

    let mut transport = create("transport")?;
    put!(transport.buffer, "# where mail for a name leaves, of ", site, "\n");
    transport.rows(table, |out, row| put!(out, row.fqdn, "    out-", row.transport, ":\n"))?;
    put!(transport.buffer, "# end\n");
    transport.finish("transport", &mut sums)?;

    if hashed {
        fs::write(format!("{out}/SHA256SUMS"), sums)?;
    }
    Ok(())
}

fn each(table: &str, out: &str, site: &str) -> Result<()> {
    let staging = format!("{out}/.staging");
    fs::create_dir_all(&staging)?;
    fs::create_dir(format!("{out}/hosts"))?;
    let mut buffer = Vec::with_capacity(4096);
    let (mut sums, mut staged) = (Vec::new(), Vec::new());
    rows(table, |row| {
        buffer.clear();
        host(&mut buffer, row, site);
        let place = format!("{staging}/{}", staged.len());
        let mut file = OpenOptions::new().write(true).create_new(true).open(&place)?;
        file.write_all(&buffer)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        let name = format!("hosts/{}.conf", row.transport);
        put_sum(&mut sums, &Sha256::digest(&buffer), &name);
        staged.push((place, format!("{out}/{name}")));
        Ok(())
    })?;
    // Until all are in place it tells what was to come.
    let list = format!("{staging}/SHA256SUMS");
    fs::write(&list, sums)?;
    for (place, name) in staged {
        fs::rename(place, name)?;
    }
    fs::rename(list, format!("{out}/SHA256SUMS"))?;
    fs::remove_dir(staging)?;
    Ok(())
}

fn host(out: &mut Vec<u8>, row: &Row, site: &str) {
    put!(out, "# hosts/", row.transport, ".conf\n[host]\nname = ", row.fqdn, "\naddress = ", row.ip);
    put!(out, "\ntransport = ", row.transport, "\nsite = ", site, NETWORK, row.cert);
    put!(
        out,
        ".pem\nkey = /etc/ssl/mail/",
        row.cert,
        ".key\nchain = /etc/ssl/mail/",
        row.cert,
        TLS,
        row.transport
    );
    put!(out, "\nhelo = ", row.fqdn, "\nbind = ", row.ip, MAIL, row.transport, ".pcre\n[monitoring]");
    put!(
        out,
        "\nagent = node-exporter\nlisten = ",
        row.ip,
        ":9100\ninterval = 15s\nlabels = host=",
        row.fqdn
    );
    put!(
        out,
        ",cert=",
        row.cert,
        ",transport=",
        row.transport,
        "\n[log]\ntarget = syslog\ntag = ",
        row.transport
    );
    put!(out, "\nfacility = mail\n# end\n");
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [job, table, out, site] = &arguments[..] else {
        return Err("expected a job and three arguments".into());
    };
    let table = fs::read_to_string(table)?;
    match job.as_str() {
        "each" => each(&table, out, site),
        job => files(&table, out, site, job == "files"),
    }?;
    // The system takes the memory back at once.
    std::process::exit(0)
}

const MAIN: &str = "
mydestination = localhost
transport_maps = texthash:/etc/postfix/transport
sender_dependent_default_transport_maps = texthash:/etc/postfix/senders
maximal_queue_lifetime = 2d
bounce_queue_lifetime = 1d
default_process_limit = 400
# end
";

const MASTER: &str = "
smtp      inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
";

const LISTENER: &str = "
  -o smtpd_tls_security_level=may
  -o smtpd_client_connection_rate_limit=60
  -o smtpd_recipient_restrictions=permit_mynetworks,reject_unauth_destination
  -o header_checks=pcre:/etc/postfix/header-";

const NETWORK: &str = "
[network]
gateway = 10.0.0.1
dns = 10.0.0.53 10.0.1.53
ntp = ntp1.example.net ntp2.example.net
search = example.net
mtu = 1500
[tls]
certificate = /etc/ssl/mail/";

const TLS: &str = ".chain.pem
protocols = TLSv1.2 TLSv1.3
ciphers = ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256
[mail]
relay = out-";

const MAIL: &str = "
queue_lifetime = 2d
bounce_lifetime = 1d
rate_limit = 60
restrictions = permit_mynetworks,reject_unauth_destination
header_checks = pcre:/etc/postfix/header-";
