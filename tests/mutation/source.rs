//! A WGSL tokenizer sufficient for the mutation rules.

use std::ops::Range;

/// Kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Integer,
    Float,
    /// An operator, bracket or other punctuation.
    Sign,
}

/// Context of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a declaration: bindings, structs, signatures, types.
    Declaration,
    /// In the value of a module-scope constant, or in `@workgroup_size(..)`.
    Constant,
    /// In a function body.
    Body,
    /// In the first, second or third clause of a `for`.
    Start,
    Until,
    Step,
}

/// A token of WGSL.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// Byte range in the text.
    pub(crate) range: Range<usize>,
    /// The matching bracket.
    mate: usize,
}

/// The text of a shader file with its tokens.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    pub(crate) tokens: Vec<Token>,
}

/// Longest first.
const SIGNS: [&str; 23] = [
    "<<=", ">>=", "->", "==", "!=", "<=", ">=", "&&", "||", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
    "++", "--", "<", ">",
];
/// Names followed by a type list in angle brackets.
const GENERIC: [&str; 8] = ["array", "vec2", "vec3", "vec4", "mat4x4", "var", "bitcast", "ptr"];
const KEYWORDS: [&str; 11] =
    ["return", "if", "else", "for", "loop", "let", "var", "const", "break", "continue", "switch"];

impl<'a> Source<'a> {
    /// Tokenizes a file of this project; other text gives meaningless tokens.
    pub(crate) fn new(text: &'a str) -> Self {
        let mut source = Self { text, tokens: lex(text) };
        source.match_brackets();
        source.find_places();
        source
    }

    /// The text of token `i`; empty out of range.
    pub(crate) fn word(&self, i: usize) -> &'a str {
        self.tokens.get(i).map_or("", |token| &self.text[token.range.clone()])
    }

    /// The text of the token before `i`.
    pub(crate) fn before(&self, i: usize) -> &'a str {
        if i == 0 { "" } else { self.word(i - 1) }
    }

    pub(crate) fn kind(&self, i: usize) -> Option<Kind> {
        self.tokens.get(i).map(|token| token.kind)
    }

    /// The bracket matching the one at `i`.
    pub(crate) fn mate(&self, i: usize) -> usize {
        self.tokens[i].mate
    }

    /// The text from the start of token `first` to the end of token `last`.
    pub(crate) fn range(&self, first: usize, last: usize) -> Range<usize> {
        self.tokens[first].range.start..self.tokens[last].range.end
    }

    /// Whether an operand ends at token `i`, which makes a following operator binary.
    pub(crate) fn ends_operand(&self, i: usize) -> bool {
        match self.kind(i) {
            Some(Kind::Name) => !KEYWORDS.contains(&self.word(i)),
            Some(Kind::Sign) => matches!(self.word(i), ")" | "]"),
            Some(_) => true,
            None => false,
        }
    }

    /// Whether the operator at `i` is binary.
    pub(crate) fn is_binary(&self, i: usize) -> bool {
        i > 0 && self.ends_operand(i - 1)
    }

    /// The first token of the operand that ends at token `i`: a name or bracket with its calls, indices and members.
    pub(crate) fn operand_start(&self, i: usize) -> usize {
        let mut i = i;
        loop {
            if matches!(self.word(i), ")" | "]" | ">") {
                i = self.mate(i);
                let called = i > 0 && (self.ends_operand(i - 1) || self.before(i) == ">" && self.mate(i - 1) < i - 1);
                if !called || self.word(i) == "(" && KEYWORDS.contains(&self.before(i)) {
                    return i;
                }
                i -= 1;
            } else if i >= 2 && self.before(i) == "." {
                i -= 2;
            } else {
                return i;
            }
        }
    }

    /// The last token of the operand that starts at token `i`.
    pub(crate) fn operand_end(&self, i: usize) -> usize {
        let mut i = i;
        while matches!(self.word(i), "-" | "!" | "~") {
            i += 1;
        }
        if self.word(i) == "(" {
            i = self.mate(i);
        }
        loop {
            match self.word(i + 1) {
                "(" | "[" => i = self.mate(i + 1),
                "<" if self.mate(i + 1) > i + 1 => i = self.mate(i + 1),
                "." => i += 2,
                _ => return i,
            }
        }
    }

    /// The arguments between the bracket at `open` and its mate, as token ranges (first, last).
    pub(crate) fn arguments(&self, open: usize) -> Vec<[usize; 2]> {
        let close = self.mate(open);
        let (mut found, mut first, mut i) = (Vec::new(), open + 1, open + 1);
        while i < close {
            if self.word(i) == "," {
                found.push([first, i - 1]);
                first = i + 1;
            } else if self.mate(i) > i {
                i = self.mate(i);
            }
            i += 1;
        }
        if first < close {
            found.push([first, close - 1]);
        }
        found
    }

    fn match_brackets(&mut self) {
        let mut open = Vec::new();
        for i in 0..self.tokens.len() {
            match self.word(i) {
                "(" | "[" | "{" => open.push(i),
                "<" if GENERIC.contains(&self.before(i)) => open.push(i),
                ")" | "]" | "}" => self.pair(open.pop(), i),
                ">" if open.last().is_some_and(|&o| self.word(o) == "<") => self.pair(open.pop(), i),
                _ => {}
            }
        }
    }

    fn pair(&mut self, open: Option<usize>, close: usize) {
        if let Some(open) = open {
            self.tokens[open].mate = close;
            self.tokens[close].mate = open;
        }
    }

    fn find_places(&mut self) {
        let mut i = 0;
        while i < self.tokens.len() {
            let (word, next) = (self.word(i), self.word(i + 1));
            let mut end = i;
            if word == "fn" {
                let open = (i..self.tokens.len()).find(|&j| self.word(j) == "{").unwrap_or(i);
                end = self.mate(open).max(i);
                self.place(open + 1..end, Place::Body);
                self.find_clauses(open + 1..end);
            } else if word == "const" {
                let equals = (i..self.tokens.len()).find(|&j| self.word(j) == "=").unwrap_or(i);
                end = (equals..self.tokens.len()).find(|&j| self.word(j) == ";").unwrap_or(i);
                self.place(equals + 1..end, Place::Constant);
            } else if word == "@" && next == "workgroup_size" {
                end = self.mate(i + 2).max(i);
                self.place(i + 3..end, Place::Constant);
            } else if word == "struct" {
                end = (i..self.tokens.len()).find(|&j| self.word(j) == "}").unwrap_or(i);
            }
            i = end + 1;
        }
        // Skip types.
        for i in 0..self.tokens.len() {
            if self.word(i) == "<" && self.mate(i) > i {
                self.place(i..self.mate(i) + 1, Place::Declaration);
            }
        }
    }

    /// The clauses of each `for` among these tokens.
    fn find_clauses(&mut self, tokens: Range<usize>) {
        for i in tokens {
            if self.word(i) != "for" {
                continue;
            }
            let close = self.mate(i + 1);
            let mut place = Place::Start;
            for j in i + 2..close {
                self.tokens[j].place = place;
                if self.word(j) == ";" {
                    place = if place == Place::Start { Place::Until } else { Place::Step };
                }
            }
        }
    }

    fn place(&mut self, tokens: Range<usize>, place: Place) {
        self.tokens[tokens].iter_mut().for_each(|token| token.place = place);
    }
}

fn lex(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    let mut generic = 0; // open angle brackets
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = |holds: fn(char) -> bool| rest.find(|c| !holds(c)).unwrap_or(rest.len());
        let (kind, length) = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if c.is_ascii_digit() {
            let length = length(|c| c.is_ascii_alphanumeric() || c == '.');
            let float = !rest.starts_with("0x") && rest[..length].contains('.');
            (if float { Kind::Float } else { Kind::Integer }, length)
        } else if c.is_alphanumeric() || c == '_' {
            (Kind::Name, length(|c| c.is_alphanumeric() || c == '_'))
        } else {
            let long = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let closes = generic > 0 && c == '>';
            (Kind::Sign, if closes { 1 } else { long.map_or(c.len_utf8(), str::len) })
        };
        let word = &rest[..length];
        let after_generic = tokens.last().is_some_and(|last| GENERIC.contains(&&text[last.range.clone()]));
        match word {
            "<" if after_generic => generic += 1,
            ">" if generic > 0 => generic -= 1,
            _ => {}
        }
        let mate = tokens.len();
        tokens.push(Token { kind, place: Place::Declaration, range: at..at + length, mate });
        at += length;
    }
    tokens
}
