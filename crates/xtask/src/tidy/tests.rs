use super::*;

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

fn messages(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn manifests_inherit_lints_and_versions() {
    let good = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n\
                tokio = { workspace = true, features = [\"rt\"] } # why\n\
                [target.'cfg(any())'.dependencies]\npinned = \"=1.2.3\"\n";
    assert_eq!(manifests::check(&[file("crates/a/Cargo.toml", good)]), []);
    let bad = "[lints.rust]\nworkspace = true\n[dev-dependencies]\nserde = \"1\"\nbytes = { version = \"1\" }\n";
    let found = messages(&manifests::check(&[file("crates/a/Cargo.toml", bad)]));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("error: crates/a/Cargo.toml:4: serde: write `serde.workspace = true`"), "{found:?}");
    assert!(found[2].contains("lints"), "{found:?}");
    assert_eq!(manifests::check(&[file("Cargo.toml", bad), file("fuzz/Cargo.toml", bad)]), []);
}

#[test]
fn long_files_are_advised_and_longer_ones_refused() {
    let lines = |count| file("crates/a/src/lib.rs", &"x\n".repeat(count));
    assert_eq!(sources::check(&[lines(599)]), []);
    assert!(sources::check(&[lines(600)])[0].advice);
    assert!(sources::check(&[lines(1200)])[0].advice);
    assert!(!sources::check(&[lines(1201)])[0].advice);
    assert_eq!(sources::check(&[file("spec.yaml", &"x\n".repeat(5000))]), []);
}

#[test]
fn notes_of_work_left_over_name_an_issue() {
    let note = concat!("TO", "DO");
    for text in [format!("// {note}(#7): later"), format!("// {note} #7"), format!("{note}S"), "to do".to_owned()] {
        assert_eq!(sources::check(&[file("a.rs", &text)]), [], "{text}");
    }
    for text in [format!("// {note}: later"), format!("{note}(me)"), concat!("x FIX", "ME #").to_owned()] {
        assert_eq!(sources::check(&[file("a.rs", &text)]).len(), 1, "{text}");
    }
}

#[test]
fn paths_of_one_machine_are_refused() {
    for text in
        [concat!("/ro", "ot/x"), concat!("see /wo", "rk/main"), concat!("\"/ho", "me/me"), concat!("../sha", "red/a")]
    {
        assert_eq!(sources::check(&[file("a.md", text)]).len(), 1, "{text}");
    }
    for text in ["target/work/x", "~/home/x", "/home/<user>/x", "/rooted/x", concat!("$dir/wo", "rk/x")] {
        assert_eq!(sources::check(&[file("a.md", text)]), [], "{text}");
    }
}

#[test]
fn pending_snapshots_are_not_kept() {
    assert_eq!(sources::check(&[file("a/tests/.x.rs.pending-snap", "{}"), file("a/x.snap.new", "")]).len(), 2);
    assert_eq!(sources::check(&[file("a/x.snap", "")]), []);
}

#[test]
fn invariants_name_tests_that_exist() {
    let tests =
        file("crates/a/src/tests.rs", "#[test]\nfn one_holds() {}\n    #[tokio::test]\n    async fn two_holds() {}\n");
    let document = |invariants: &str| {
        file(
            "ARCHITECTURE.md",
            &format!("# A\n1. Not one.\n## Invariants\nText.\n{invariants}\n## Next\n1. Not one.\n"),
        )
    };
    let good = "1. One holds. Test: `one_holds`.\n2. Two\n   holds. Tests: `one_holds`,\n   `two_holds`.";
    assert_eq!(architecture::check(&[document(good), tests.clone()]), []);
    let bad = "1. One. Test: `three_holds`.\n2. Two, `two_holds`.";
    let found = messages(&architecture::check(&[document(bad), tests.clone()]));
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], "error: ARCHITECTURE.md:5: there is no test three_holds");
    assert!(found[1].starts_with("error: ARCHITECTURE.md:6: the invariant names no test"), "{found:?}");
    assert_eq!(architecture::check(&[document(""), tests]).len(), 1);
    assert_eq!(architecture::check(&[]).len(), 1);
}

#[test]
fn links_and_examples_lead_somewhere() {
    let readme = |text: &str| file("README.md", text);
    let page = file(
        "docs/a.md",
        "[up](../README.md#top), [b](b.md), [web](https://example.com/x)\nkumactl apply -f examples/x.yaml",
    );
    let (other, example) = (file("docs/b.md", ""), file("examples/x.yaml", ""));
    let good = [readme("[docs](docs/a.md), [all](examples)"), page.clone(), other.clone(), example.clone()];
    assert_eq!(links::check(&good), []);
    let found = messages(&links::check(&[readme("[a](docs/c.md)\napply -f examples/y.yaml."), page, other, example]));
    assert_eq!(
        found,
        [
            "error: README.md:1: it points at docs/c.md, which does not exist",
            "error: README.md:2: it points at examples/y.yaml, which does not exist",
            "error: docs/a.md: no link leads here from README.md",
            "error: docs/b.md: no link leads here from README.md",
        ]
    );
    let found = messages(&links::check(&[readme(""), file("examples/z.yaml", "")]));
    assert_eq!(found, ["error: examples/z.yaml: no document mentions this example"]);
}

#[test]
fn documented_keys_are_those_of_the_program() {
    let defaults = file(
        "crates/mesh-cp/src/config/defaults.yaml",
        "store:\n  type: sqlite\n  unsafeDelete: false\na:\n  workDir: ''\n",
    );
    let variables = file("crates/mesh-cp/src/config/env.rs", "(\"KUMA_OTHER\", \"a.workDir\"),");
    let check = |rows: &str| {
        let document = file("docs/control-plane.md", &format!("| Key | Variable |\n|---|---|\n{rows}"));
        messages(&configuration::check(&[document, defaults.clone(), variables.clone()]))
    };
    let good = "| `store.unsafeDelete` | `KUMA_STORE_UNSAFE_DELETE` | `false` | x |\n\
                | `a.workDir` | `KUMA_OTHER` | `` | x |\n| `other` | `table` |\n";
    assert_eq!(check(good), Vec::<String>::new());
    let bad = "| `store.kind` | `KUMA_STORE_KIND` | `x` | x |\n| `store.type` | `KUMA_STORE_TYPE` | `memory` | x |\n\
               | `a.workDir` | `KUMA_WORK_DIR` | `` | x |\n";
    assert_eq!(
        check(bad),
        [
            "error: docs/control-plane.md:3: store.kind: there is no such key",
            "error: docs/control-plane.md:4: store.type: the default is \"sqlite\"",
            "error: docs/control-plane.md:5: a.workDir: the variable is KUMA_A_WORK_DIR",
        ]
    );
}
