use super::*;
use proptest::prelude::*;

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn error(text: &str) -> String {
    Section::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn every_kind_of_value_is_read() {
    let source = r#"# a comment = { [
        number = 12 # and another
        negative=-9223372036854775808
        octal = 0755
        float = 1.5
        plain = 'single "quotes" \ stay'
        "quoted name" = "a \"text\" with \\ and \n"
        bare = word
        list = [ "a", 1 'b', ]
        empty = []
        section { inner { value = 1 } }
        other{}"#;
    let section = Section::parse(source.as_bytes()).unwrap();
    assert_eq!(section.value("number"), Some(&Value::Integer(12)));
    assert_eq!(section.value("negative"), Some(&Value::Integer(i64::MIN)));
    assert_eq!(section.value("octal"), Some(&Value::Integer(0o755)));
    assert_eq!(section.value("float"), Some(&Value::Float(1.5)));
    assert_eq!(section.text("plain"), Some(r#"single "quotes" \ stay"#));
    assert_eq!(section.text("quoted name"), Some(r#"a "text" with \ and \n"#));
    assert_eq!(section.text("bare"), Some("word"));
    let list = Value::List(vec![text("a"), Value::Integer(1), text("b")]);
    assert_eq!(section.value("list"), Some(&list));
    assert_eq!(section.value("empty"), Some(&Value::List(Vec::new())));
    assert_eq!(section.section("section").unwrap().section("inner").unwrap().value("value"), Some(&Value::Integer(1)));
    let sections: Vec<_> = section.sections().map(|(name, _)| name).collect();
    assert_eq!(sections, ["section", "other"]);
    assert_eq!((section.get("absent"), section.text("number"), section.value("other")), (None, None, None));
}

#[test]
fn a_byte_of_0_ends_the_text() {
    let section = Section::parse(b"a = 1\n\0b = {{{").unwrap();
    assert_eq!(section.entries.len(), 1);
}

#[test]
fn errors_say_where_and_what() {
    for (source, expected) in [
        ("a = 1\n  b 2", "line 2, column 5: \"=\" or \"{\" is expected, not \"2\""),
        ("a {\n b = 1", "line 2, column 7: a name is expected, not the end of the text"),
        ("}", "line 1, column 1: a name is expected, not \"}\""),
        ("a =", "line 1, column 4: a value is expected, not the end of the text"),
        ("a = [ 1, [ 2 ] ]", "line 1, column 10: a value is expected, not \"[\""),
        ("a = [ 1", "line 1, column 8: a value is expected, not the end of the text"),
        ("a = \"text", "line 1, column 5: a text that does not end"),
        ("a = \"text\\", "line 1, column 5: a text that does not end"),
        ("a = 12x", "line 1, column 5: \"12x\" is no number"),
        ("a = +-1", "line 1, column 5: \"+-1\" is no number"),
        ("a = 9223372036854775808", "line 1, column 5: \"9223372036854775808\" is no number"),
        ("a = 1.2.3", "line 1, column 5: \"1.2.3\" is no number"),
        ("a = 1\na { }", "line 2, column 1: \"a\" is there twice"),
        ("\"\" = 1", "line 1, column 1: a name is expected, not the text \"\""),
    ] {
        assert_eq!(error(source), expected);
    }
}

#[test]
fn sections_lie_in_one_another_only_so_deep() {
    let nested = |depth: usize| format!("{}{}", "a {".repeat(depth), "}".repeat(depth));
    assert!(Section::parse(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert!(error(&nested(DEPTH_MAX + 1)).contains("more than 16 sections"));
    assert!(Section::parse("a {".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn a_text_has_only_so_many_values() {
    let source = format!("a = [{}]", "1,".repeat(ITEMS_MAX));
    assert!(error(&source).contains("names and values"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_text_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Section::parse(&bytes));
    }

    #[test]
    fn anything_of_the_languages_own_signs_is_a_text_or_an_error(
        source in r#"([a-z{}\[\]=,"'\\# \n0-9.+-]|\x00){0,80}"#,
    ) {
        drop(Section::parse(source.as_bytes()));
    }

    #[test]
    fn numbers_and_texts_come_back(number in any::<i64>(), value in "[ -~]{0,40}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let source = format!("n = {number}\nt = \"{quoted}\"");
        let section = Section::parse(source.as_bytes()).unwrap();
        prop_assert_eq!(section.value("n"), Some(&Value::Integer(number)));
        prop_assert_eq!(section.text("t"), Some(value.as_str()));
    }
}
