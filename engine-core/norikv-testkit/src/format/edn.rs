//! The part of EDN that histories use: nil, booleans, integers, strings, keywords and symbols,
//! vectors, lists and maps.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::FormatError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edn {
    Nil,
    Integer(i64),
    Text(String),
    /// A keyword without its colon, a symbol, a boolean, or a number that is no 64-bit integer.
    Word(String),
    /// A vector or a list.
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

impl Edn {
    pub(super) const fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) const fn text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value.as_str()),
            _ => None,
        }
    }

    pub(super) const fn word(&self) -> Option<&str> {
        match self {
            Self::Word(value) => Some(value.as_str()),
            _ => None,
        }
    }

    /// Two integers.
    pub(super) fn pair(&self) -> Option<(i64, i64)> {
        match self {
            Self::List(items) => match items.as_slice() {
                [first, second] => first.integer().zip(second.integer()),
                _ => None,
            },
            _ => None,
        }
    }

    /// What a map holds under a keyword.
    pub(super) fn get(&self, keyword: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        pairs
            .iter()
            .find(|(key, _)| key.word() == Some(keyword))
            .map(|(_, value)| value)
    }
}

/// Reads values out of one line.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl<'a> Reader<'a> {
    /// Starts at byte `at`, which lies on a character's edge.
    pub(super) const fn new(text: &'a str, at: usize, line: u64) -> Self {
        Self { text, at, line }
    }

    /// The next value.
    pub(super) fn value(&mut self) -> Result<Edn, FormatError> {
        self.nested(0)
    }

    /// Nothing but space is left.
    pub(super) fn end(&mut self) -> Result<(), FormatError> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.syntax()),
        }
    }

    fn nested(&mut self, depth: u32) -> Result<Edn, FormatError> {
        if depth > DEPTH_MAX {
            return Err(FormatError::TooDeep { line: self.line });
        }
        self.skip_space();
        match self.peek() {
            Some('"') => self.string(),
            Some('[') => self.items(']', depth).map(Edn::List),
            Some('(') => self.items(')', depth).map(Edn::List),
            Some('{') => {
                let start = self.at;
                let mut items = self.items('}', depth)?.into_iter();
                let mut pairs = Vec::new();
                while let Some(key) = items.next() {
                    let Some(value) = items.next() else {
                        self.at = start;
                        return Err(self.syntax());
                    };
                    pairs.push((key, value));
                }
                Ok(Edn::Map(pairs))
            }
            _ => self.atom(),
        }
    }

    fn items(&mut self, close: char, depth: u32) -> Result<Vec<Edn>, FormatError> {
        self.bump();
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == Some(close) {
                self.bump();
                return Ok(items);
            }
            items.push(self.nested(depth + 1)?);
        }
    }

    fn string(&mut self) -> Result<Edn, FormatError> {
        self.bump();
        let mut text = String::new();
        loop {
            let start = self.at;
            match self.bump() {
                Some('"') => return Ok(Edn::Text(text)),
                Some('\\') => text.push(match self.bump() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(quoted @ ('"' | '\\')) => quoted,
                    _ => {
                        self.at = start;
                        return Err(self.syntax());
                    }
                }),
                Some(plain) => text.push(plain),
                None => return Err(self.syntax()),
            }
        }
    }

    fn atom(&mut self) -> Result<Edn, FormatError> {
        let rest = self.rest();
        let len = rest.find(|c: char| is_space(c) || "\"[](){};".contains(c));
        let word = &rest[..len.unwrap_or(rest.len())];
        if word.is_empty() || word == ":" {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(match (word, word.parse()) {
            ("nil", _) => Edn::Nil,
            (_, Ok(value)) => Edn::Integer(value),
            _ => Edn::Word(word.strip_prefix(':').unwrap_or(word).to_owned()),
        })
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.bump();
        }
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    const fn syntax(&self) -> FormatError {
        FormatError::Syntax {
            line: self.line,
            byte: self.at as u64,
        }
    }
}

/// A comma is space, too.
fn is_space(c: char) -> bool {
    c.is_whitespace() || c == ','
}

const DEPTH_MAX: u32 = 16;

#[cfg(test)]
mod tests;
