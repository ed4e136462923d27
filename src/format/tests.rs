use std::io::{Seek as _, Write as _};
use std::process::Command;

use proptest::prelude::*;

use super::mark::{Emitted, Kind};
use super::*;

mod structure;

/// Renders a template in which `§` stands for a value.
fn render(format: &str, template: &str, kind: Kind, value: &str) -> Result<String, Refusal> {
    let values = vec![(kind, value); template.matches('§').count()];
    render_all(format, template, &values)
}

fn render_all(format: &str, template: &str, values: &[(Kind, &str)]) -> Result<String, Refusal> {
    let mut marked = String::new();
    let mut literals = template.split('§');
    marked.push_str(literals.next().unwrap());
    for ((number, (kind, text)), literal) in (1..).zip(values).zip(literals) {
        Emitted { expression: number, kind: *kind, text }.write(&mut marked);
        marked.push_str(literal);
    }
    read(format, [marked.as_bytes()])
}

fn read<'p>(format: &str, pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<String, Refusal> {
    let mut reader = MarkReader::new(find(format).unwrap(), Vec::new());
    let result =
        pieces.into_iter().try_for_each(|piece| reader.write_all(piece)).and_then(|()| reader.finish());
    match (result, reader.emitter.refusal()) {
        (Ok(()), None) => Ok(String::from_utf8(reader.emitter.into_inner()).unwrap()),
        (Err(_), Some(refusal)) => Err(refusal.clone()),
        other => panic!("{other:?}"),
    }
}

/// The message of a refusal.
fn refused(format: &str, template: &str, kind: Kind, value: &str) -> String {
    match render(format, template, kind, value) {
        Err(refusal) => format!("{}: {}", refusal.refused.code.id, refusal.refused.message),
        Ok(output) => panic!("{template} with {value:?} gives {output}"),
    }
}

#[test]
fn names_of_formats_are_unique() {
    for format in FORMATS {
        assert!(std::ptr::eq(find(format.name).unwrap(), *format), "{}", format.name);
    }
}

#[test]
fn text_refuses_what_is_no_piece_of_a_line() {
    for (value, message) in [
        ("a\nb", "a value with a line break (U+000A) in it is printed into text"),
        ("\r", "a value with a line break (U+000D) in it is printed into text"),
        ("\u{2028}", "a value with a line break (U+2028) in it is printed into text"),
        ("\0", "a value with a control character (U+0000) in it is printed into text"),
        ("\t", "a value with a control character (U+0009) in it is printed into text"),
        ("\x1b[2J", "a value with a control character (U+001B) in it is printed into text"),
        ("\x7f", "a value with a control character (U+007F) in it is printed into text"),
        ("\u{9b}", "a value with a control character (U+009B) in it is printed into text"),
        ("\u{202e}", "a value with a bidirectional control character (U+202E) in it is printed into text"),
    ] {
        assert_eq!(refused("text", "§", Kind::Text, value), format!("format::value: {message}"));
        assert_eq!(render("text", "<§>", Kind::Raw, value), Ok(format!("<{value}>")));
    }
    let refusal = render_all("text", "§ §", &[(Kind::Text, "a"), (Kind::Text, "bé\n")]).unwrap_err();
    assert_eq!((refusal.expression, refusal.value.as_str(), refusal.refused.at), (2, "bé\n", Some(3..4)));
    assert_eq!(render("text", "é§\n", Kind::Text, "Zoë 'x'; $(y)"), Ok("éZoë 'x'; $(y)\n".to_owned()));
}

#[test]
fn malformed_marks_are_errors() {
    let part = Emitted { expression: 1, kind: Kind::Text, text: "a" }.marked();
    for text in [&part[..4], &part[..part.len() - 3], &part[3..], &format!("{}{part}", mark::START)] {
        let mut reader = MarkReader::new(find("text").unwrap(), Vec::new());
        let result = reader.write_all(text.as_bytes()).and_then(|()| reader.finish());
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData, "{text:?}");
        assert!(reader.emitter.refusal().is_none());
    }
}

#[test]
fn json_places() {
    for (template, kind, value, output) in [
        ("§", Kind::Text, "a\"b\n", r#""a\"b\n""#),
        ("[§, 1]", Kind::Literal, "1.5", "[1.5, 1]"),
        (r#"{"a": §}"#, Kind::Json, r#"{"x":[]}"#, r#"{"a": {"x":[]}}"#),
        (r#"{"a": "x-§"}"#, Kind::Json, r#"{"x":[]}"#, r#"{"a": "x-{\"x\":[]}"}"#),
        (r#"{"a": "§§"}"#, Kind::Text, "\\\u{202e}", r#"{"a": "\\\u202e\\\u202e"}"#),
        ("{§: 1}", Kind::Text, "k", r#"{"k": 1}"#),
        (r#"{"§": true}"#, Kind::Literal, "7", r#"{"7": true}"#),
        ("[§]", Kind::Word, "'a b'", r#"["'a b'"]"#),
        ("[§]", Kind::Raw, "1, 2", "[1, 2]"),
    ] {
        assert_eq!(render("json", template, kind, value).as_deref(), Ok(output), "{template}");
        assert_eq!(find("json").unwrap().check(output.as_bytes()), Ok(()), "{output}");
    }
    for template in [
        "§§",
        "[1 §]",
        "[§ §]",
        "{\"a\" §}",
        "1§",
        "tru§",
        "§0",
        "[§0]",
        "[-§]",
        r#"["\§"]"#,
        r#"["\u00§"]"#,
        "// §\n1",
        "[1,] §",
        "'§'",
        r#"{"a": 1,} §"#,
        "[}§",
    ] {
        assert!(refused("json", template, Kind::Literal, "7").starts_with("format::ambiguous"), "{template}");
    }
    assert!(
        refused("json", "{§: 1}", Kind::Literal, "7")
            .ends_with("where a key has to be, and keys are strings")
    );
    assert_eq!(refused("json", "§", Kind::Literal, "NaN"), "format::value: `NaN` is no number of JSON");
    let fault = find("json").unwrap().check(b"{\n  \"a\": 1,\n}").unwrap_err();
    assert_eq!((fault.offset, fault.message.as_str()), (12, "not JSON: key must be a string"));
}

#[test]
fn shell_places() {
    for (template, value, output) in [
        ("echo §", "a", "echo a"),
        ("echo §", "", "echo ''"),
        ("echo --x=§", "it's", r"echo --x='it'\''s'"),
        ("X=§ Y=§", "25", "X=25 Y=25"),
        ("§ x", "if", "'if' x"),
        ("§=1", "a", "a=1"),
        ("HOST_§=§", "1", "HOST_1=1"),
        ("f§() { :; }", "1", "f1() { :; }"),
        ("f§ () { :; }", "1", "f1 () { :; }"),
        ("function f§ { :; }", "1", "function f1 { :; }"),
        ("for v§ in a; do", "1", "for v1 in a; do"),
        ("export V§=$x", "in", "export Vin=$x"),
        ("V§+=a W§[0]=b", "1", "V1+=a W1[0]=b"),
        ("do§ x", "ne", "do'ne' x"),
        ("echo 2>&§", "1", "echo 2>&1"),
        ("case § in §) echo; esac", "a b", "case 'a b' in 'a b') echo; esac"),
        ("echo if; §", "if", "echo if; 'if'"),
        ("echo \"§\"", "$a`b\"c\\", r#"echo "\$a\`b\"c\\""#),
        ("echo '§'", "it's", r"echo 'it'\''s'"),
        ("echo $a§", "b", "echo $a'b'"),
        ("echo {§,x}", "a", "echo {'a',x}"),
        ("echo § # §", "a", "echo a # a"),
        ("cat <<E\n§\nE\n", "$a\\", "cat <<E\n\\$a\\\\\nE\n"),
        ("cat <<'E'\n§\nE\n", "$a\\", "cat <<'E'\n$a\\\nE\n"),
        ("echo $((§ + 1)) §", "7", "echo $((7 + 1)) 7"),
        ("(( x = §)); echo §", "7", "(( x = 7)); echo 7"),
        ("[[ $x == § ]] && echo §", "a.b", "[[ $x == 'a.b' ]] && echo a.b"),
        ("[ -f a ] && echo §", "a b", "[ -f a ] && echo 'a b'"),
        ("x=$(cat <<E\n§\nE\n)\necho §", "a", "x=$(cat <<E\na\nE\n)\necho a"),
        ("echo \"$(echo \"§\" § \"${x:-\"y\"}\")\"", "a", "echo \"$(echo \"a\" a \"${x:-\"y\"}\")\""),
        ("foo() {\n  echo §\n}\n", "a b", "foo() {\n  echo 'a b'\n}\n"),
        ("a[0]=1; echo §", "a", "a[0]=1; echo a"),
        ("echo 2>&1 >§", "a", "echo 2>&1 >a"),
    ] {
        assert_eq!(render("shell", template, Kind::Text, value).as_deref(), Ok(output), "{template}");
    }
    for (template, kind, value) in [
        ("echo $§", Kind::Text, "a"),
        ("§=1", Kind::Text, "example.org"),
        ("§=1", Kind::Text, "if"),
        ("§A=1", Kind::Text, "1"),
        ("HOST_§=1", Kind::Text, "a b"),
        ("V§+=1", Kind::Text, "-"),
        ("V§[0]=1", Kind::Text, "-"),
        ("a=1 V§=1", Kind::Text, "-"),
        ("export V§=1", Kind::Text, "a.b"),
        ("f§() { :; }", Kind::Text, "a b"),
        ("f§ () { :; }", Kind::Text, "a b"),
        ("function f§ { :; }", Kind::Text, "a b"),
        ("for v§ in a; do", Kind::Text, "-"),
        ("for § in a; do", Kind::Text, "1"),
        ("§i true", Kind::Text, "f"),
        ("§>f", Kind::Text, "2"),
        ("echo 2>&§", Kind::Text, "a b"),
        ("echo ${NAME_§}", Kind::Text, "1"),
        ("echo [a§z]", Kind::Text, "-"),
        ("echo \"$§\"", Kind::Text, "a"),
        ("echo \"$a§\"", Kind::Text, ""),
        ("echo \\§", Kind::Text, "a"),
        ("echo \"\\§\"", Kind::Text, "a"),
        ("echo ${x:-§}", Kind::Text, "a"),
        ("echo \"${x:-\"§\"}\"", Kind::Text, "a"),
        ("echo `§`", Kind::Text, "a"),
        ("echo $((§))", Kind::Text, "a"),
        ("echo $((1§))", Kind::Text, "7"),
        ("echo $((§0))", Kind::Text, "7"),
        ("a[§]=1", Kind::Text, "x"),
        ("echo $'§'", Kind::Text, "a"),
        ("echo ~§", Kind::Text, "root"),
        ("echo §>f", Kind::Text, "2"),
        ("cat <<§\n", Kind::Text, "E"),
        ("cat << §\n", Kind::Text, "E"),
        ("cat <<E\n$(echo §)\nE\n", Kind::Text, "a"),
        ("cat <<E\n$§\nE\n", Kind::Text, "a"),
        ("eval §", Kind::Text, "$(x)"),
        ("eval §", Kind::Text, "fi"),
        ("trap 'rm §' EXIT", Kind::Text, "a b"),
        ("ssh host \"ls §\"", Kind::Text, "a;b"),
        ("ssh host ls §", Kind::Word, "'a;b'"),
        ("[[ x -eq § ]]", Kind::Text, "a[$(x)]"),
        ("echo a§", Kind::Words, "a b"),
        ("echo §b", Kind::Words, "a b"),
        ("echo $[§]", Kind::Text, "a"),
        ("x=$(case a in a) echo §;; esac)", Kind::Text, "a"),
    ] {
        assert!(refused("shell", template, kind, value).starts_with("format::ambiguous"), "{template}");
    }
    for (template, value) in [
        ("echo §", "a\0b"),
        ("# §\n", "a\nb"),
        ("cat <<E\n§\nE\n", "a\nb"),
        ("cat <<E\n§\nE\n", "E"),
        ("cat <<-E\n\t§\nE\n", "E"),
        ("cat <<EOF\nE§F\nEOF\n", "O"),
        ("cat <<E\n§", "E"),
        ("cat <<E §\nE\n", "a\nb"),
    ] {
        assert!(refused("shell", template, Kind::Text, value).starts_with("format::value"), "{template}");
    }
    assert_eq!(
        render("shell", "for x in §; do", Kind::Words, "a 'b c'").as_deref(),
        Ok("for x in a 'b c'; do")
    );
    assert_eq!(render("shell", "§", Kind::Word, "ls").as_deref(), Ok("ls"));
    assert_eq!(render("shell", "echo \"§\"", Kind::Word, "'a b'").as_deref(), Ok("echo \"'a b'\""));
    assert_eq!(
        render("shell", "ssh host 'ls §'", Kind::Word, "'a;b'").as_deref(),
        Ok(r"ssh host 'ls '\''a;b'\'''")
    );
    assert_eq!(
        render("shell", "trap 'rm -f §' EXIT\necho §", Kind::Text, "/tmp/x").as_deref(),
        Ok("trap 'rm -f /tmp/x' EXIT\necho /tmp/x")
    );
    let check = |script: &str| {
        find("shell").unwrap().check(script.as_bytes()).map_err(|fault| (fault.offset, fault.message))
    };
    assert_eq!(check("echo 'a"), Err((5, "a single quote is never closed".to_owned())));
    assert_eq!(check("echo \"$(a"), Err((5, "a double quote is never closed".to_owned())));
    assert_eq!(check("cat <<E\nx\n"), Err((10, "a here-document has no end: a line with `E`".to_owned())));
    for script in ["", "a # it's\n", "cat <<E\nE", "case x in\n  a) ;;\nesac\n", "x=$((1 << 2)) # '"] {
        assert_eq!(check(script), Ok(()), "{script}");
    }
}

/// A value that a shell would read as more, where the template's text makes it so: each was seen to run in Bash 5.2 or to
/// set another variable.
#[test]
fn shells_read_no_value_as_more() {
    let code = "a[$(x)]";
    for (template, value) in [
        // A part of a variable's name, in quotes and to commands that assign.
        ("export \"V§=1\"", "=x y"),
        ("export 'V§=1'", code),
        ("export V\"§\"=1", "a b"),
        ("export §", "PATH=x"),
        ("declare \"§\"=1", code),
        ("f() { local \"V§=1\"; }", code),
        ("env A§=1 x", "a b"),
        ("env \"A§=1\" x", "=x y"),
        ("env -i B=1 \"A§=1\" x", "a-b"),
        ("sudo -E 'A§=1' x", "a-b"),
        // What stands for the name of a variable.
        ("read -r §", code),
        ("unset \"§\"", code),
        ("unset 'a[§]'", "x"),
        ("mapfile -t §", code),
        ("getopts x §", code),
        ("printf -v § x", code),
        ("test -v §", code),
        ("[ -v \"§\" ]", code),
        ("declare -n r=§", code),
        // Arithmetic.
        ("declare -i v=§", "a"),
        ("declare -ri v=§", code),
        ("declare -i v\nv=§", "a"),
        ("let x=§", "a"),
        ("[[ § -eq 1 ]]", "a"),
        ("[[ 1 -lt § ]]", "a"),
        ("[[ -v § ]]", code),
        ("c=([§]=1)", "a"),
        // Lists in parentheses.
        ("declare -a v=§", "($(x))"),
        ("declare v=\"§\"", "($(x))"),
        ("export v=''§", "($(x))"),
        ("declare \"v=(§)\"", "$(x)"),
        // Code.
        ("command eval §", code),
        ("builtin eval \"§\"", code),
        ("exec sh -c §", code),
        ("env A=1 bash -c §", code),
        ("sudo -u www sh -c \"§\"", code),
        ("find . -exec sh -c § \\;", code),
        ("docker exec x bash -xc §", code),
        ("/bin/sh -c §", code),
        ("\"$SHELL\" -c §", code),
        ("su - www -c §", code),
        ("cat <(eval §)", code),
        ("X[0]=1 eval §", code),
        ("mapfile -C § -c 1 v", code),
        // What a shell reads.
        ("sh <<E\n§\nE\n", code),
        ("bash -s x <<'E'\n§\nE\n", code),
        ("sudo bash <<E\n§\nE\n", code),
        ("ssh host <<E\n§\nE\n", code),
        ("ssh host bash -x <<E\n§\nE\n", code),
        ("cat <<E | sh\n§\nE\n", code),
        ("echo § | sh", code),
        ("echo \"§\" | tee f | ssh host bash\n", code),
        ("bash <<< §\n", code),
    ] {
        assert!(refused("shell", template, Kind::Text, value).starts_with("format::ambiguous"), "{template}");
    }
    for (template, value, output) in [
        ("export \"V§=1\"", "A", "export \"VA=1\""),
        ("env A§=1 x §", "1", "env A1=1 x 1"),
        ("env A=1 x \"§=b\"", "a b", "env A=1 x \"a b=b\""),
        ("sudo x §", "a=b", "sudo x 'a=b'"),
        ("export V=§", "a (b)", "export V='a (b)'"),
        ("export A=1 \"B=§\"", "c d", "export A=1 \"B=c d\""),
        ("v=§", "(a)", "v='(a)'"),
        ("read -p § x", "a b", "read -p 'a b' x"),
        ("printf '%s' §", code, "printf '%s' 'a[$(x)]'"),
        ("[ § = a ]", code, "[ 'a[$(x)]' = a ]"),
        ("declare -i v=§", "7", "declare -i v=7"),
        ("[[ § -eq 1 ]]", "7", "[[ '7' -eq 1 ]]"),
        ("sh x.sh §", "a b", "sh x.sh 'a b'"),
        ("grep -c §", "a b", "grep -c 'a b'"),
        ("sh x <<E\n§\nE\n", "a b", "sh x <<E\na b\nE\n"),
        ("ssh host cat <<E\n§\nE\n", "a b", "ssh host cat <<E\na b\nE\n"),
        ("echo § | ssh host cat", "a b", "echo 'a b' | ssh host cat"),
        ("echo § || sh", "a b", "echo 'a b' || sh"),
        ("sh <<E\n§\nE\ncat <<E\n§\nE\n", "ab", "sh <<E\nab\nE\ncat <<E\nab\nE\n"),
    ] {
        assert_eq!(render("shell", template, Kind::Text, value).as_deref(), Ok(output), "{template}");
    }
}

fn adversarial() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "'", "\"", "`", "$", "$(", "${", ")", "}", "\\", ";", "&", "|", "<", ">", "<<E", "(", "{", "{{", "[",
        "]", "*", "?", "!", "#", "~", "=", "%", ",", " ", "\n", "\t", "\r", "\u{1}", "\u{7f}", "\u{202e}",
        "\u{2028}", "é", "😀", "a", "b", "i", "E", "EOF", "2", "0", "-", "/", ".", ":", "fi", "x=1", "//",
        "/*", "\u{81}", "harmles", "\u{85}", "\u{feff}",
    ]);
    prop_oneof![
        20 => prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat()),
        4 => "\\PC{0,8}",
    ]
}

const HARMLESS: &str = "harmless";

proptest! {
    /// However the text is cut into pieces, the output is the same.
    #[test]
    fn pieces_do_not_matter(
        values in prop::collection::vec(("[a\u{FDCF}\u{FDD3}\u{FFFD}é\n]{0,3}", "[b\u{FDFF}é ]{0,4}"), 0..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let (mut marked, mut plain) = (String::new(), String::new());
        for (literal, value) in &values {
            marked.push_str(literal);
            Emitted { expression: 3, kind: Kind::Text, text: value }.write(&mut marked);
            plain.push_str(literal);
            plain.push_str(value);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(marked.len() + 1)).collect();
        cuts.extend([0, marked.len()]);
        cuts.sort_unstable();
        let output = read("text", cuts.windows(2).map(|pair| &marked.as_bytes()[pair[0]..pair[1]]));
        prop_assert_eq!(output, Ok(plain.clone()));
        let single = read("text", marked.as_bytes().chunks(1));
        prop_assert_eq!(single, Ok(plain));
    }

    /// JSON with any value is what it is with a harmless one, with the value in its place.
    #[test]
    fn json_keeps_its_structure(value in adversarial(), template in prop::sample::select(vec![
        "§", "[§, \"§\"]", "{\"a\": §, \"b\": {\"c\": [\"x§y\", §]}}", "{\"k§\": \"§\"}", "{§: \"§§\"}", "[ \"\\\\§\", \"\\u00e9§\" ]",
        "[§ , 1]\n",
    ])) {
        fn replace(json: serde_json::Value, value: &str) -> serde_json::Value {
            use serde_json::Value as Json;
            match json {
                Json::String(text) => Json::String(text.replace(HARMLESS, value)),
                Json::Array(list) => list.into_iter().map(|json| replace(json, value)).collect(),
                Json::Object(map) => {
                    map.into_iter().map(|(key, json)| (key.replace(HARMLESS, value), replace(json, value))).collect()
                }
                other => other,
            }
        }
        let parse = |value: &str| -> serde_json::Value {
            serde_json::from_str(&render("json", template, Kind::Text, value).unwrap()).unwrap()
        };
        prop_assert_eq!(parse(&value), replace(parse(HARMLESS), &value));
    }

    #[test]
    fn json_never_breaks(template in "[\\[\\]{}\":,\\\\1t \n§]{0,12}", value in adversarial()) {
        // Whatever the template: if it gives JSON with one value, it gives JSON of the same size with another.
        let count = |value: &str| {
            let output = render("json", &template, Kind::Text, value).ok()?;
            let shape = serde_json::from_str::<serde_json::Value>(&output).ok()?;
            Some(shape_of(&shape))
        };
        if let (Some(harmless), Ok(output)) = (count(HARMLESS), render("json", &template, Kind::Text, &value)) {
            let shape = serde_json::from_str::<serde_json::Value>(&output).map(|json| shape_of(&json));
            prop_assert_eq!(shape.ok(), Some(harmless), "{}", output);
        }
    }
}

fn shape_of(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::Array(list) => format!("[{}]", list.iter().map(shape_of).collect::<String>()),
        serde_json::Value::Object(map) => format!("{{{}}}", map.values().map(shape_of).collect::<String>()),
        serde_json::Value::String(_) => "s".to_owned(),
        _ => "x".to_owned(),
    }
}

/// What a script prints, in a shell that finds no commands.
fn run(shell: &str, folder: &std::path::Path, script: &str) -> String {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(script.as_bytes()).unwrap();
    input.rewind().unwrap();
    let output = Command::new(shell)
        .env_clear()
        .env("PATH", "/nonexistent")
        .env("HOME", "/home/nobody")
        .current_dir(folder)
        .stdin(input)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Prints its arguments, each with an end, and their end.
const SHOW: &str = r#"show() { for argument do printf '%s\000' "$argument"; done; printf '\001\000'; }
lines() { while IFS= read -r line; do show "$line"; done; }
x=1
"#;

const SCRIPTS: &[&str] = &[
    "show §\n",
    "show a§b §§ --c=§\n",
    "show '§' 'a§b'§\n",
    "show \"§\" \"a§b\"§\"§\"\n",
    "X=§; show \"$X\"; X='§' Y=\"§\"; show \"$X\" \"$Y\"\n",
    "show \"$(printf '%s.' §)\" \"$(printf '%s.' \"§\" '§')\"\n",
    "show \"$(show \"$(printf '%s.' §)\" # it's §\n)\"\n",
    "lines <<EOF\n§\nx § y\\$§\nEOF\nshow §\n",
    "lines <<'EOF'\n§\nx § '$\nEOF\nshow §\n",
    "lines <<-EOF\n\t§\n\tz§\n\tEOF\nshow §\n",
    "lines <<A; lines <<\\B\n§\nA\n§\nB\nshow §\n",
    "show {§,b} [§] ~/§ *§\n",
    "show $x§ \"${x}§\" '$x'§\n",
    "case a§ in a§) show yes;; *) show no;; esac\n",
    "if [ § = § ]; then show same; fi\n",
    "for i in § b; do show \"$i\"; done\n",
    "show a >/dev/null §; show § >/dev/null; show b\n",
    "# it's a comment §\nshow a\n",
    "show a\\\n§ b\n",
    "f§ x; show a\n",
    "nosuch§ x; show a\n",
    "§=1; show a\n",
    "N§='a b'; eval 'show \"$N'§'\"'\n",
    "export N§=$x'a b'; eval 'show \"$N'§'\"'\n",
    "f§() { show q; }; f§\n",
    "export \"N§=a b\"; eval 'show \"$N'§'\"'\n",
    "unset § x§; show a\n",
    "read -r § <<EOF\n§\nEOF\nshow a\n",
    "command export v§=§; show a\n",
    "for v§ in a b; do eval 'show \"$v'§'\"'; done\n",
    "§i x; show a\n",
    "show $((1 + 2))§ $( (show b) )§\n",
    "g() {\n  show § \"$1\"\n}\ng §\n",
    "(show §); { show §; }; ! show §\n",
    "show a;nosuch§;show b|nosuch§\n",
    "show `printf b`§ \"`printf '%s' 'c'`§\"\n",
    "show \"${x:+y}§\" ${x:-it}§ ${x#1}§\n",
    "export V=§ W=a:§; show \"$V\" \"$W\"\n",
    "eval §; trap § 0; show a\n",
    "show $'a'§ $\"b§\"\n",
    "show \\'§ \\\"§ a#§ #§\n",
];

/// What Bash only knows.
const BASH: &[&str] = &[
    "a=(x § \"§\"); show \"${a[@]}\"\n",
    "if [[ § == § ]]; then show same; fi; show §\n",
    "IFS= read -r -d '' v <<< §; show \"$v\" §\n",
    "((x = 1 << 2)); show §\n",
    "N§=a; N§+=b; N§[1]=c; eval 'show \"${N'§'[@]}\"'\n",
    "function f§ { show q; }; f§\n",
    "a[0]=§; show \"${a[0]}\" §\n",
    "declare -a w=§; show \"$w\"; declare \"w=§\"; show \"$w\"\n",
    "printf -v v§ x; [[ -v § ]]; test -v \"§\"; show a\n",
    "mapfile -t § <<< §; getopts x § -x; show a\n",
    "typeset \"v§\"=§; show a\n",
    "IFS= read -r -d '' v < <(show §); show \"$v\"\n",
    "declare v=§; show \"$v\"; function h { show §; }; h\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn shells_read_the_exact_value(value in adversarial()) {
        if let Some((shell, script, output, expected)) = misread(&value) {
            prop_assert_eq!(output, expected, "{}: {}", shell, script);
        }
    }
}

#[test]
fn a_line_that_begins_like_the_end_of_its_here_document() {
    for (value, begins) in
        [("Eötvös", true), ("E\u{feff}", true), ("EOé", true), ("Else", false), ("é", false)]
    {
        assert_eq!(misread(value), None, "{value}");
        for template in ["cat <<EOF\n§\nEOF\n", "cat <<-'EOF'\n\t§\n\tEOF\n"] {
            let refused = render("shell", template, Kind::Text, value);
            assert_eq!(refused.is_err(), begins, "{value}: {refused:?}");
        }
        assert!(render("shell", "cat <<_END_\n§\n_END_\n", Kind::Text, value).is_ok(), "{value}");
    }
}

#[test]
fn values_may_be_long() {
    let value = "'\"$`\\\n<".repeat(1 << 13);
    let misread =
        misread(&value).map(|(shell, script, ..)| (shell, script.chars().take(80).collect::<String>()));
    assert_eq!(misread, None);
    let json = render("json", "[\"§\", §]", Kind::Text, &value).unwrap();
    assert!(serde_json::from_str::<[String; 2]>(&json).unwrap() == [value.as_str(), &value]);
}

/// A script with any value prints what it prints with a harmless one, with the value in its place. This gives
/// the first shell and script for which it does not.
fn misread(value: &str) -> Option<(&'static str, String, String, String)> {
    let folder = tempfile::tempdir().unwrap();
    for (shell, bash) in [("/bin/sh", false), ("/bin/dash", false), ("/bin/bash", true)] {
        if !std::path::Path::new(shell).exists() {
            continue;
        }
        let (mut script, mut harmless) = (SHOW.to_owned(), SHOW.to_owned());
        for template in SCRIPTS.iter().chain(BASH.iter().filter(|_| bash)) {
            if let Ok(rendered) = render("shell", template, Kind::Text, value) {
                script.extend(["(\n", &rendered, ")\n"]);
                harmless.extend(["(\n", &render("shell", template, Kind::Text, HARMLESS).unwrap(), ")\n"]);
            }
        }
        let output = run(shell, folder.path(), &script);
        let expected = run(shell, folder.path(), &harmless).replace(HARMLESS, value);
        if output != expected {
            return Some((shell, script, output, expected));
        }
    }
    let left = walkdir::WalkDir::new(folder.path()).min_depth(1).into_iter().count();
    assert_eq!(left, 0, "a script wrote files with {value:?}");
    None
}
