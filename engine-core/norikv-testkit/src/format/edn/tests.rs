use alloc::vec;

use super::*;

fn read(text: &str) -> Result<Edn, FormatError> {
    let mut reader = Reader::new(text, 0, 7);
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

fn word(text: &str) -> Edn {
    Edn::Word(text.to_owned())
}

#[test]
fn values_of_every_kind_are_read() {
    assert_eq!(read(" nil "), Ok(Edn::Nil));
    assert_eq!(read("-12"), Ok(Edn::Integer(-12)));
    assert_eq!(read(":timed-out"), Ok(word("timed-out")));
    assert_eq!(read("1.5"), Ok(word("1.5")));
    assert_eq!(
        read(r#""a \"b\"\\\n, ü""#),
        Ok(Edn::Text("a \"b\"\\\n, ü".to_owned()))
    );
    assert_eq!(
        read("[1, (nil) {}]"),
        Ok(Edn::List(vec![
            Edn::Integer(1),
            Edn::List(vec![Edn::Nil]),
            Edn::Map(vec![])
        ]))
    );
    let map = read(r#"{:process 3, :f :cas, :value [1 2]}"#).unwrap();
    assert_eq!(map.get("f"), Some(&word("cas")));
    assert_eq!(map.get("value").and_then(Edn::pair), Some((1, 2)));
    assert_eq!(map.get("key"), None);
}

#[test]
fn what_is_no_value_is_an_error_that_says_where() {
    let syntax = |byte| Err(FormatError::Syntax { line: 7, byte });
    assert_eq!(read(""), syntax(0));
    assert_eq!(read("[1 2"), syntax(4));
    assert_eq!(read("]"), syntax(0));
    assert_eq!(read("\"abc"), syntax(4));
    assert_eq!(read(r#""a\q""#), syntax(2));
    assert_eq!(read("{1}"), syntax(0));
    assert_eq!(read("1 2"), syntax(2));
    assert_eq!(read("[1)"), syntax(2));
    assert_eq!(read(":"), syntax(0));
}

#[test]
fn a_tower_of_brackets_is_refused_and_not_climbed() {
    let tower = "[".repeat(100_000);
    assert_eq!(read(&tower), Err(FormatError::TooDeep { line: 7 }));
}
