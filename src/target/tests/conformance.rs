//! libiscsi's own tests of targets, as far as they apply to a disk that can only be read.

use super::libiscsi::{is_skipped, run, two_disks};
use super::{IQN, serve};
use iscsi::ChapCredentials;
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};

const LIST: &str = include_str!("../../../tests/fixtures/target/iscsi-test-cu.txt");

type Suites = BTreeMap<String, BTreeSet<String>>;

/// What must pass, and what does not apply; a suite that does not apply at all has no tests named.
struct List {
    pass: Suites,
    not: Suites,
}

fn list() -> List {
    let mut list = List { pass: Suites::new(), not: Suites::new() };
    for line in LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (suite, rest) = rest.split_once(": ").unwrap();
        let (suites, tests) = match kind {
            "pass" => (&mut list.pass, rest),
            "not" => (&mut list.not, rest.split_once(" -- ").expect("a reason").0),
            other => panic!("{other}"),
        };
        let tests = tests.split(' ').filter(|test| *test != "*").map(str::to_owned);
        suites.entry(suite.to_owned()).or_default().extend(tests);
    }
    list
}

/// All tests of the family ALL that the tool says it has.
fn of_the_tool() -> Suites {
    let mut suites = Suites::new();
    for line in run("iscsi-test-cu", &["--list"]).lines() {
        if let ["ALL", suite, test] = line.split('.').collect::<Vec<_>>()[..] {
            suites.entry(suite.to_owned()).or_default().insert(test.to_owned());
        }
    }
    suites
}

/// Runs a suite or a single test, and gives the tests that passed without being skipped; what was said of the others.
fn passed(test: &str, url: &str) -> (BTreeSet<String>, String) {
    let said = run("iscsi-test-cu", &["--fail", "--dataloss", "--test", &format!("ALL.{test}"), url]);
    let (mut passed, mut others) = (BTreeSet::new(), String::new());
    // What is said of a test comes after its name, and ends with its verdict.
    for part in said.split("\n  Test: ").skip(1) {
        let name = part.split(' ').next().unwrap();
        if part.contains("passed") && !part.contains("SKIPPED") && !part.contains("FAILED") {
            passed.insert(name.to_owned());
        } else {
            others.push_str(part);
        }
    }
    (passed, others)
}

#[test]
fn every_test_of_the_tool_is_in_the_list_once() {
    if is_skipped() {
        return;
    }
    let List { pass, not } = list();
    for (suite, tests) in of_the_tool() {
        let none = BTreeSet::new();
        let passing = pass.get(&suite).unwrap_or(&none);
        let excluded = match not.get(&suite) {
            Some(all) if all.is_empty() => &tests,
            Some(some) => some,
            None => &none,
        };
        let both: BTreeSet<_> = passing.intersection(excluded).collect();
        assert!(both.is_empty(), "{suite}: {both:?} pass and do not apply");
        let listed: BTreeSet<_> = passing.union(excluded).cloned().collect();
        assert_eq!(listed, tests, "{suite}: say in the list whether each of these tests applies");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libiscsis_own_tests_of_targets_pass_where_they_apply() {
    if is_skipped() {
        return;
    }
    let mut config = two_disks();
    let (user, secret) = ("reader", "secret-of-16-byte");
    config.chap = Some(ChapCredentials { user: user.to_owned(), secret: SecretString::from(secret) });
    let target = serve(config).await;
    let all = of_the_tool();
    for (suite, tests) in list().pass {
        // Blocks of 4096 bytes make a difference to few.
        let luns = if ["Read16", "ReadCapacity16", "ReadOnly"].contains(&suite.as_str()) { 0..2 } else { 0..1 };
        for lun in luns {
            let url = format!("iscsi://{user}%{secret}@{}/{IQN}/{lun}", target.address());
            if all[&suite] == tests {
                let (passed, others) = passed(&suite, &url);
                assert_eq!(passed, tests, "{suite} on LUN {lun}: {others}");
                continue;
            }
            for test in &tests {
                let (passed, others) = passed(&format!("{suite}.{test}"), &url);
                assert_eq!(passed, BTreeSet::from([test.clone()]), "{suite} on LUN {lun}: {others}");
            }
        }
    }
    target.shutdown().await;
}
