//! `tera CSV TEMPLATES OUT SITE NAME…`: a plain Tera loop that renders, hashes and writes.
//!
//! A peer of the benchmarks; `benches/run` builds and runs it.
#![expect(clippy::disallowed_methods, reason = "a program of its own")]

use std::fs::File;
use std::io::{self, BufWriter, Write};

use sha2::{Digest as _, Sha256};
use tera::value::Key;
use tera::{Context, Map, Tera, Value};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Hashes what it passes on.
#[derive(Debug)]
struct Hashed<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [table, templates, out, site, names @ ..] = &arguments[..] else { return Ok(()) };

    let mut reader = csv::Reader::from_path(table)?;
    let keys: Vec<Key<'static>> =
        reader.headers()?.iter().map(|name| Key::String(name.to_owned().into())).collect();
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let row: Map = keys.iter().cloned().zip(record.iter().map(Value::from)).collect();
        rows.push(Value::from(row));
    }
    let values: Map = [(Key::Str("site"), Value::from(site.as_str()))].into_iter().collect();
    let mut context = Context::new();
    context.insert_value("values", Value::from(values));
    context.insert_value("mx", Value::from(rows));

    let mut engine = Tera::default();
    engine.autoescape_on(Vec::<&str>::new());
    for name in names {
        engine.add_raw_template(name, &std::fs::read_to_string(format!("{templates}/{name}.tera"))?)?;
    }
    std::fs::create_dir_all(out)?;
    let mut sums = File::create(format!("{out}/SHA256SUMS"))?;
    for name in names {
        let hashed = Hashed { inner: File::create(format!("{out}/{name}"))?, hash: Sha256::new() };
        let mut sink = BufWriter::with_capacity(256 * 1024, hashed);
        engine.render_to(name, &context, &mut sink)?;
        sink.flush()?;
        for byte in sink.into_parts().0.hash.finalize() {
            write!(sums, "{byte:02x}")?;
        }
        writeln!(sums, "  {name}")?;
    }
    // The system takes the memory back faster than the maps can be dropped.
    std::process::exit(0)
}
