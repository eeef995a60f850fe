use alloc::collections::BTreeMap;
use alloc::string::ToString;

use norikv_types::{Mono, Prng};

use super::*;
use crate::linearizability::{Verdict, linearizable};
use crate::model::{CasInput, CasOutput, CasRegister, TextInput, TextKey, TextOutput};

/// Whether every tag closes in order, every attribute is quoted and every `&` is an entity.
fn is_well_formed(svg: &str) -> bool {
    let mut open = Vec::new();
    let mut rest = svg;
    loop {
        let Some((text, after)) = rest.split_once('<') else {
            return open.is_empty() && rest.trim().is_empty();
        };
        let Some((tag, after)) = after.split_once('>') else {
            return false;
        };
        let entities = ["amp;", "lt;", "gt;", "quot;", "apos;"];
        let mut parts = text.split('&').skip(1).chain(tag.split('&').skip(1));
        if text.contains('>') || !parts.all(|part| entities.iter().any(|e| part.starts_with(e))) {
            return false;
        }
        if text
            .chars()
            .chain(tag.chars())
            .any(|c| c < ' ' && c != '\n')
        {
            return false;
        }
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap_or_default());
        }
        if tag.matches('"').count() % 2 != 0 {
            return false;
        }
        rest = after;
    }
}

/// The text of every element of this class.
fn texts<'a>(svg: &'a str, class: &str) -> Vec<&'a str> {
    let group = alloc::format!("<g class=\"{class}\">");
    svg.split(&group)
        .skip(1)
        .map(|part| {
            let part = part.split("</g>").next().unwrap();
            part.rsplit_once("</text>")
                .unwrap()
                .0
                .rsplit_once('>')
                .unwrap()
                .1
        })
        .collect()
}

type RegisterHistory = History<char, CasInput<u8>, CasOutput<u8>>;

fn stale_read() -> (RegisterHistory, Violation<char, Option<u8>>) {
    let mut history = History::new();
    for value in 1..=5 {
        let id = history.invoke(1, 'k', CasInput::Write(value), Mono::ZERO);
        history.returned(id, CasOutput::Done, Mono::ZERO);
    }
    history.invoke(2, 'k', CasInput::Write(9), Mono::ZERO);
    let swap = CasInput::Swap {
        from: Some(7),
        to: 8,
    };
    let swap = history.invoke(3, 'k', swap, Mono::ZERO);
    let stale = history.invoke(4, 'k', CasInput::Read, Mono::ZERO);
    history.returned(stale, CasOutput::Holds(Some(4)), Mono::ZERO);
    history.returned(swap, CasOutput::Differs, Mono::ZERO);
    let Verdict::No(violation) = linearizable(&history, &CasRegister::new()) else {
        panic!("a stale read");
    };
    (history, *violation)
}

#[test]
fn every_operation_is_drawn_as_what_it_is() {
    let (history, violation) = stale_read();
    let svg = draw(&history, &violation);
    assert!(is_well_formed(&svg), "{svg}");
    assert_eq!(
        texts(&svg, "unexplained"),
        ["#7 Read → Holds(Some(4))".replace('>', "&gt;")]
    );
    assert_eq!(
        texts(&svg, "window"),
        ["#3 Write(4) → Done", "#4 Write(5) → Done"]
    );
    assert_eq!(
        texts(&svg, "bystander"),
        [
            "#5 Write(9) → ?",
            "#6 Swap { from: Some(7), to: 8 } → Differs"
        ]
    );
    for line in ["    Some(3)<", "    Some(5)<", "process 4<"] {
        assert!(svg.contains(line), "{line} in {svg}");
    }
}

#[test]
fn text_that_looks_like_markup_is_only_text() {
    let nasty = "</text><script>\"&amp;' \u{1}\u{ffff}]]> ü →".repeat(20);
    let mut history = History::new();
    let put = history.invoke(1, nasty.clone(), TextInput::Put(nasty.clone()), Mono::ZERO);
    history.returned(put, TextOutput::Done, Mono::ZERO);
    let get = history.invoke(2, nasty, TextInput::Get, Mono::ZERO);
    history.returned(get, TextOutput::Holds("<b>".to_string()), Mono::ZERO);
    let Verdict::No(violation) = linearizable(&history, &TextKey::new()) else {
        panic!("nobody wrote that");
    };
    let svg = draw(&history, &violation);
    assert!(is_well_formed(&svg), "{svg}");
    assert!(!svg.contains("<script") && !svg.contains("<b>"));
}

#[test]
fn no_label_reaches_the_next_bar_of_its_row() {
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let mut below = |bound: u64| usize::try_from(prng.below(bound)).unwrap();
        let mut bars: Vec<Bar> = Vec::new();
        let mut open = Vec::new();
        for event in 0..40 {
            if below(2) == 0 {
                let label = "x".repeat(1 + below(48));
                open.push(bars.len());
                bars.push(Bar {
                    process: below(5) as u64 * 1_000,
                    start: event,
                    end: None,
                    full: label.clone(),
                    label,
                    class: "window",
                });
            } else if !open.is_empty() {
                let nth = open.swap_remove(below(open.len() as u64));
                bars[nth].end = Some(event);
            }
        }
        let layout = Layout::new(&bars, &[]);
        let mut rows = BTreeMap::<u32, Vec<(u32, u32)>>::new();
        for (bar, place) in bars.iter().zip(&layout.places) {
            let label = place.x + u32::try_from(bar.label.len()).unwrap() * 8;
            let end = place.end.unwrap_or(layout.width - 40);
            assert!(place.x >= layout.left && place.x < end, "seed {seed}");
            assert!(
                label <= layout.width && place.y < layout.height,
                "seed {seed}"
            );
            let row = rows.entry(place.y).or_default();
            row.push((place.x, label.max(end)));
        }
        for row in rows.values() {
            assert!(row.is_sorted_by(|a, b| a.1 < b.0), "seed {seed}: {row:?}");
        }
    }
}
