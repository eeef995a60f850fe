use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use norikv_types::Prng;

use super::*;
use crate::history::Outcome;

const LOG: &str = "\
INFO  jepsen.util - 0\t:invoke\t:write\t3
INFO  jepsen.core - Starting nemesis
INFO  jepsen.util - :nemesis\t:info\t:start\tnil

INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 0\t:ok\t:write\t3
INFO  jepsen.util - 1\t:ok\t:read\tnil
INFO  jepsen.util - 0\t:invoke\t:cas\t[3 0]
INFO  jepsen.util - 1\t:invoke\t:cas\t[2 1]
INFO  jepsen.util - 1\t:fail\t:cas\t[2 1]
INFO  jepsen.util - 0\t:info\t:cas\t:timed-out
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:fail\t:read\t:timed-out
INFO  jepsen.util - 1\t:invoke\t:read\tnil
";

fn swap(from: i64, to: i64) -> CasInput<i64> {
    CasInput::Swap {
        from: Some(from),
        to,
    }
}

/// (process, input, output if it returned, whether it was refused)
fn told<K, I: Clone, O: Clone>(history: &History<K, I, O>) -> Vec<(u64, I, Option<O>, bool)> {
    history
        .operations()
        .iter()
        .map(|operation| {
            let output = match &operation.outcome {
                Outcome::Returned { output, .. } => Some(output.clone()),
                Outcome::Unknown | Outcome::Refused => None,
            };
            let refused = matches!(operation.outcome, Outcome::Refused);
            (operation.process, operation.input.clone(), output, refused)
        })
        .collect()
}

#[test]
fn a_log_of_jepsen_is_read_with_every_ending() {
    let history = read_jepsen_log(LOG).unwrap();
    let expected = [
        (0, CasInput::Write(3), Some(CasOutput::Done), false),
        (1, CasInput::Read, Some(CasOutput::Holds(None)), false),
        (0, swap(3, 0), None, false),
        (1, swap(2, 1), Some(CasOutput::Differs), false),
        (1, CasInput::Read, None, true),
        (1, CasInput::Read, None, false),
    ];
    assert_eq!(told(&history), expected);
}

#[test]
fn a_history_in_edn_says_the_same_as_the_log() {
    let edn = r#"
        {:process 4, :type :invoke, :f :cas, :value [1 2], :time 17, :index 0}
        {:process :nemesis, :type :info, :f :kill, :value {"n1" :killed}}
        {:process 4, :type :ok, :f :cas, :value [1 2], :time 30}
    "#;
    let history = read_edn_register(edn).unwrap();
    assert_eq!(
        told(&history),
        [(4, swap(1, 2), Some(CasOutput::Done), false)]
    );
    assert_eq!(
        history.operations()[0].invoked.at,
        norikv_types::Mono::from_nanos(17)
    );
}

#[test]
fn keys_with_text_are_read_in_edn() {
    let edn = r#"
        {:process 0, :type :invoke, :f :append, :key "a", :value "x, \"y\""}
        {:process 1, :type :invoke, :f :get, :key "a", :value nil}
        {:process 1, :type :ok, :f :get, :key "a", :value ""}
        {:process 0, :type :ok, :f :append, :key "a", :value "x, \"y\""}
    "#;
    let history = read_edn_text(edn).unwrap();
    let expected = [
        (
            0,
            TextInput::Append("x, \"y\"".to_string()),
            Some(TextOutput::Done),
            false,
        ),
        (
            1,
            TextInput::Get,
            Some(TextOutput::Holds(String::new())),
            false,
        ),
    ];
    assert_eq!(told(&history), expected);
}

#[test]
fn every_kind_of_bad_line_is_named() {
    let log = |last: &str| {
        let text = format!(
            "INFO  jepsen.util - 0\t:invoke\t:write\t3\n\n{}",
            last.replace('|', "INFO  jepsen.util -")
        );
        read_jepsen_log(&text).unwrap_err()
    };
    let (line, process) = (3, 0);
    assert_eq!(log("what is this"), FormatError::Syntax { line, byte: 0 });
    assert_eq!(
        log("| 1 :invoke :read nil nil"),
        FormatError::Syntax { line, byte: 40 }
    );
    assert_eq!(log("| 1 :invoke :write x"), FormatError::Field { line });
    assert_eq!(log("| 1 :began :write 1"), FormatError::Field { line });
    assert_eq!(log("| -1 :invoke :write 1"), FormatError::Field { line });
    assert_eq!(
        log("| 0 :invoke :cas [1 2 3]"),
        FormatError::Busy { line, process }
    );
    assert_eq!(log("| 1 :invoke :cas [1 2 3]"), FormatError::Field { line });
    assert_eq!(log("| 1 :invoke :pop nil"), FormatError::Operation { line });
    assert_eq!(
        log("| 0 :ok :read 3"),
        FormatError::NotAsked { line, process }
    );
    assert_eq!(
        log("| 1 :ok :write 3"),
        FormatError::NotAsked { line, process: 1 }
    );
    let edn = read_edn_text("{:process 0, :type :invoke, :f :get}").unwrap_err();
    assert_eq!(edn, FormatError::Field { line: 1 });
}

#[test]
fn no_damaged_log_panics() {
    let edn = r#"{:process 0, :type :invoke, :f :append, :key "ü", :value "x [1 2] (nil) \\"}"#;
    for seed in 0..5_000 {
        let mut prng = Prng::new(seed);
        let whole = if prng.chance_ppm(500_000) { LOG } else { edn };
        let mut bytes = whole.as_bytes().to_vec();
        for _ in 0..=prng.below(3) {
            let at = usize::try_from(prng.below(bytes.len() as u64)).unwrap();
            match prng.below(3) {
                0 => bytes.truncate(at + 1),
                1 => bytes[at] = b"\"\\[](){}: \n\t1a-"[usize::try_from(prng.below(15)).unwrap()],
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = read_jepsen_log(&text);
        let _ = read_edn_register(&text);
        let _ = read_edn_text(&text);
    }
}
