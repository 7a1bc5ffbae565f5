//! Which crate may import which: the data flow of docs/ARCHITECTURE.md as a table, held against what Cargo says.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::BTreeSet;

/// One crate and the crates of this workspace that it may name in its Cargo.toml.
struct Layer {
    name: &'static str,
    imports: &'static [&'static str],
    /// What its tests may import beyond that.
    tests_import: &'static [&'static str],
}

const fn layer(name: &'static str, imports: &'static [&'static str]) -> Layer {
    Layer { name, imports, tests_import: &[] }
}

/// Lower layers first; a row names only rows above it. A new crate gets a row here, and with it a place.
const LAYERS: &[Layer] = &[
    layer("fr-tunnel", &[]),
    layer("fr-iscsi", &["fr-tunnel"]),
    layer("fr-block", &[]),
    layer("fr-image", &["fr-block"]),
    layer("fr-program", &["fr-block"]),
    layer("fr-volume", &["fr-block"]),
    layer("fr-vfs", &["fr-block"]),
    layer("fr-ext4", &["fr-block", "fr-vfs"]),
    layer("fr-xfs", &["fr-block", "fr-vfs"]),
    layer("fr-ntfs", &["fr-block", "fr-vfs"]),
    layer("fr-guest", &["fr-vfs"]),
    layer("fr-bundle", &["fr-tunnel"]),
    layer(
        "fr-session",
        &[
            "fr-tunnel",
            "fr-iscsi",
            "fr-block",
            "fr-image",
            "fr-volume",
            "fr-vfs",
            "fr-ext4",
            "fr-xfs",
            "fr-ntfs",
            "fr-guest",
            "fr-bundle",
        ],
    ),
    Layer {
        name: "fr-target",
        imports: &["fr-iscsi", "fr-block"],
        // Its tests have our own initiator dial.
        tests_import: &["fr-tunnel"],
    },
    layer(
        "fr-service",
        &["fr-tunnel", "fr-iscsi", "fr-block", "fr-image", "fr-bundle", "fr-session", "fr-target", "fr-program"],
    ),
    layer("fr-fuse", &["fr-vfs"]),
    layer(
        "fr-cli",
        &[
            "fr-tunnel",
            "fr-iscsi",
            "fr-block",
            "fr-image",
            "fr-volume",
            "fr-vfs",
            "fr-bundle",
            "fr-session",
            "fr-target",
            "fr-program",
            "fr-fuse",
        ],
    ),
    Layer {
        name: "fr-mount",
        imports: &["fr-cli", "fr-service"],
        // The integration tests serve disks of their own, and look for what is sealed in a bundle where it must not be.
        tests_import: &["fr-block", "fr-iscsi", "fr-bundle", "fr-target", "fr-tunnel"],
    },
];

/// One crate importing another.
struct Import {
    from: String,
    to: String,
    only_tests: bool,
}

/// The crates of the workspace, and who of them imports whom.
struct Graph {
    crates: BTreeSet<String>,
    imports: Vec<Import>,
}

impl Graph {
    fn of_this_workspace() -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
        let packages = metadata.workspace_packages();
        let crates: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
        let imports = packages.iter().flat_map(|package| {
            package.dependencies.iter().map(|dependency| Import {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                only_tests: dependency.kind == DependencyKind::Development,
            })
        });
        let imports = imports.filter(|import| crates.contains(&import.to)).collect();
        Self { crates, imports }
    }
}

/// Everything in the graph that the table does not allow, in words.
fn violations(layers: &[Layer], graph: &Graph) -> Vec<String> {
    let row = |name: &str| layers.iter().find(|layer| layer.name == name);
    let homeless = graph.crates.iter().filter(|name| row(name).is_none());
    let mut found: Vec<_> = homeless.map(|name| format!("{name} has no place in the table of layers")).collect();
    for Import { from, to, only_tests } in &graph.imports {
        let allowed = row(from).is_some_and(|layer| {
            layer.imports.contains(&to.as_str()) || (*only_tests && layer.tests_import.contains(&to.as_str()))
        });
        if !allowed {
            found.push(format!("{from} must not import {to}"));
        }
    }
    found
}

/// Rows of the table that name a row that is not above them.
fn upward_rows(layers: &[Layer]) -> Vec<String> {
    let mut above = BTreeSet::new();
    let mut found = Vec::new();
    for layer in layers {
        let named = layer.imports.iter().chain(layer.tests_import);
        let upward = named.filter(|name| !above.contains(*name));
        found.extend(upward.map(|name| format!("{} names {name}, which is not above it", layer.name)));
        above.insert(layer.name);
    }
    found
}

#[test]
fn crates_import_only_what_their_layer_allows() {
    let found = violations(LAYERS, &Graph::of_this_workspace());
    assert!(found.is_empty(), "see docs/ARCHITECTURE.md:\n{}", found.join("\n"));
}

#[test]
fn the_table_of_layers_points_only_downwards() {
    assert_eq!(upward_rows(LAYERS), [""; 0]);
}

#[test]
fn the_table_names_only_crates_that_exist() {
    let crates = Graph::of_this_workspace().crates;
    let gone: Vec<_> = LAYERS.iter().map(|layer| layer.name).filter(|name| !crates.contains(*name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn every_crate_lies_where_its_name_says() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
    for package in metadata.workspace_packages() {
        let short = package.name.strip_prefix("fr-").unwrap_or(&package.name);
        let place = package.manifest_path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("inside the workspace");
        let places =
            [format!("src/{short}/Cargo.toml"), format!("platform/{short}/Cargo.toml"), "Cargo.toml".to_owned()];
        assert!(places.iter().any(|expected| place == expected.as_str()), "{} lies at {place}", package.name);
    }
}

/// A made-up graph: crate names, then `from -> to` with `only_tests`.
fn graph(crates: &[&str], imports: &[(&str, &str, bool)]) -> Graph {
    let import = |(from, to, only_tests): &(&str, &str, bool)| Import {
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        only_tests: *only_tests,
    };
    Graph { crates: crates.iter().map(ToString::to_string).collect(), imports: imports.iter().map(import).collect() }
}

#[test]
fn an_upward_import_is_found() {
    let bad = graph(&["fr-block", "fr-ext4"], &[("fr-block", "fr-ext4", false), ("fr-ext4", "fr-block", false)]);
    assert_eq!(violations(LAYERS, &bad), ["fr-block must not import fr-ext4"]);
}

#[test]
fn a_new_crate_without_a_place_is_found() {
    let bad = graph(&["fr-block", "fr-surprise"], &[("fr-surprise", "fr-block", false)]);
    assert_eq!(
        violations(LAYERS, &bad),
        ["fr-surprise has no place in the table of layers", "fr-surprise must not import fr-block"]
    );
}

#[test]
fn what_only_tests_may_import_stays_in_tests() {
    let bad = graph(&["fr-mount"], &[("fr-mount", "fr-target", true), ("fr-mount", "fr-iscsi", false)]);
    assert_eq!(violations(LAYERS, &bad), ["fr-mount must not import fr-iscsi"]);
}

#[test]
fn a_table_with_a_cycle_is_found() {
    let table = [layer("fr-a", &["fr-b"]), layer("fr-b", &["fr-a"])];
    assert_eq!(upward_rows(&table), ["fr-a names fr-b, which is not above it"]);
}
