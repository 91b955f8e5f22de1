//! Splits an expression into tokens before the CEL parser sees it.
//!
//! Two things need it: the mistakes people make when they come from other languages get a sentence of their own,
//! and nesting is bounded before anything recurses over it.

use super::parse::ExprError;
use reelmill_model::limits::{EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_OPERATORS_MAX};

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A name or a word of the language.
    Word,
    /// A number.
    Number,
    /// A string or bytes literal.
    Text,
    /// An operator or a bracket.
    Sign,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'s> {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub text: &'s str,
    /// Bytes before it.
    pub offset: usize,
}

impl Token<'_> {
    /// Whether a value can end with it.
    pub fn ends_value(&self) -> bool {
        match self.kind {
            Kind::Word => self.text != "in",
            Kind::Number | Kind::Text => true,
            Kind::Sign => matches!(self.text, ")" | "]" | "}"),
        }
    }

    /// Whether a value can begin with it, brackets that also call or index left out.
    pub fn begins_value(&self) -> bool {
        match self.kind {
            Kind::Word => self.text != "in",
            Kind::Number | Kind::Text => true,
            Kind::Sign => false,
        }
    }
}

/// Signs of two characters; all others are one.
const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "&&", "||"];
const SINGLES: &str = "+-*/%!<>?:.,()[]{}";

/// The tokens of an expression, or the first mistake that can be seen without parsing.
pub(super) fn scan(source: &str) -> Result<Vec<Token<'_>>, ExprError> {
    if source.chars().count() > EXPRESSION_CHARS_MAX {
        return Err(ExprError::new(
            0,
            format!("the expression is longer than {EXPRESSION_CHARS_MAX} characters"),
        )
        .help("move parts of it to `vars`"));
    }
    let mut tokens = Vec::new();
    let mut rest = source;
    loop {
        rest = skip_blank(rest);
        let Some(first) = rest.chars().next() else { break };
        let offset = source.len() - rest.len();
        let (kind, length) = token(rest, first, offset)?;
        tokens.push(Token { kind, text: &rest[..length], offset });
        rest = &rest[length..];
    }
    check_brackets(&tokens)?;
    check_count(&tokens)?;
    Ok(tokens)
}

/// Drops white space and `//` comments.
fn skip_blank(mut rest: &str) -> &str {
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
        match rest.strip_prefix("//") {
            Some(comment) => rest = comment.find('\n').map_or("", |end| &comment[end..]),
            None => return rest,
        }
    }
}

fn token(rest: &str, first: char, offset: usize) -> Result<(Kind, usize), ExprError> {
    if let Some(prefix) = text_prefix(rest) {
        return Ok((Kind::Text, text_length(rest, prefix, offset)?));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        return Ok((Kind::Word, run_of(rest, |c| c.is_ascii_alphanumeric() || c == '_')));
    }
    let second = rest[first.len_utf8()..].chars().next();
    if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
        return Ok((Kind::Number, number_length(rest)));
    }
    if ["===", "!==", "<>", "=>", "=~", "**", "${"].iter().any(|sign| rest.starts_with(sign)) {
        return Err(foreign_sign(rest, first, offset));
    }
    if PAIRS.iter().any(|pair| rest.starts_with(pair)) {
        return Ok((Kind::Sign, 2));
    }
    if SINGLES.contains(first) {
        return Ok((Kind::Sign, 1));
    }
    Err(foreign_sign(rest, first, offset))
}

fn run_of(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// Digits, with one fraction and one exponent; what follows at once is for the parser to refuse.
fn number_length(rest: &str) -> usize {
    if rest.starts_with("0x") || rest.starts_with("0X") {
        return 2 + run_of(&rest[2..], |c| c.is_ascii_alphanumeric());
    }
    let digits = |from: usize| from + run_of(&rest[from..], |c| c.is_ascii_digit());
    let mut end = digits(0);
    if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        end = digits(end + 1);
    }
    if rest[end..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end + usize::from(rest[end..].starts_with(['u', 'U']))
}

/// The letters before the quote of a text (`r`, `b`), when a text begins here.
fn text_prefix(rest: &str) -> Option<&str> {
    let letters = run_of(rest, |c| matches!(c, 'r' | 'R' | 'b' | 'B'));
    (letters <= 2 && rest[letters..].starts_with(['\'', '"'])).then(|| &rest[..letters])
}

fn text_length(rest: &str, prefix: &str, offset: usize) -> Result<usize, ExprError> {
    let raw = prefix.contains(['r', 'R']);
    let body = &rest[prefix.len()..];
    let one = &body[..1];
    let quote = if body.starts_with(&one.repeat(3)) { one.repeat(3) } else { one.to_owned() };
    let mut at = quote.len();
    while at < body.len() {
        if body[at..].starts_with(&quote) {
            return Ok(prefix.len() + at + quote.len());
        }
        let c = body[at..].chars().next().map_or(1, char::len_utf8);
        if quote.len() == 1 && body[at..].starts_with(['\n', '\r']) {
            break;
        }
        at += c;
        if !raw && body[at - c..].starts_with('\\') {
            at += body[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    Err(ExprError::new(offset, "the text that begins here has no end").help(format!("close it with {quote}")))
}

/// A sign that CEL does not have, with what to write in its place.
fn foreign_sign(rest: &str, first: char, offset: usize) -> ExprError {
    let at = |message: String, help: &str| ExprError::new(offset, message).help(help);
    let known = [
        ("===", "compare with `==`"),
        ("!==", "compare with `!=`"),
        ("<>", "compare with `!=`"),
        (
            "=>",
            "`x.map(v, …)` names the element first and then says what becomes of it; \"at least\" is `>=`",
        ),
        ("=~", "match a regular expression with `text.matches('…')`"),
        ("**", "there are no powers; multiply"),
        ("${", "`${{ }}` stands around a whole expression; leave it out here"),
        ("=", "compare with `==`; nothing can be assigned"),
        ("&", "both must hold: `&&`"),
        ("|", "one must hold: `||`; there are no filters, functions are called on a value: `x.trim()`"),
        ("`", "name such a member by its text: `x['a-b']`"),
        (";", "an expression is one value; leave the `;` out"),
        ("$", "names stand alone, without `$`"),
    ];
    if let Some((sign, help)) = known.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return at(format!("`{sign}` is no operator of expressions"), help);
    }
    match first {
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => {
            at("a typographic quote does not begin or end a text".into(), "use ' or \"")
        }
        c if c.is_alphabetic() => at(
            format!("`{c}` cannot be part of a name"),
            "names have the letters a to z, digits and `_`; other text goes into quotes",
        ),
        c => ExprError::new(offset, format!("`{}` means nothing in an expression", c.escape_debug())),
    }
}

fn check_brackets(tokens: &[Token<'_>]) -> Result<(), ExprError> {
    let mut open: Vec<&Token<'_>> = Vec::new();
    for token in tokens.iter().filter(|token| token.kind == Kind::Sign) {
        match token.text {
            "(" | "[" | "{" => open.push(token),
            ")" | "]" | "}" => {
                let Some(begin) = open.pop() else {
                    return Err(ExprError::new(token.offset, format!("`{}` closes nothing", token.text)));
                };
                let wanted = closing(begin.text);
                if wanted != token.text {
                    return Err(ExprError::new(
                        token.offset,
                        format!("`{}` closes `{}`", token.text, begin.text),
                    )
                    .help(format!("write `{wanted}`")));
                }
            }
            _ => {}
        }
        if open.len() > EXPRESSION_DEPTH_MAX {
            return Err(too_deep(token.offset));
        }
    }
    match open.last() {
        Some(begin) => Err(ExprError::new(begin.offset, format!("`{}` is never closed", begin.text))
            .help(format!("add `{}`", closing(begin.text)))),
        None => Ok(()),
    }
}

fn closing(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

fn too_deep(offset: usize) -> ExprError {
    ExprError::new(offset, format!("brackets are nested deeper than {EXPRESSION_DEPTH_MAX}"))
        .help("move parts of the expression to `vars`")
}

/// Bounds what nests without brackets: `a.b.c`, `1 + 1 + 1`, `c ? x : c ? x : y`.
fn check_count(tokens: &[Token<'_>]) -> Result<(), ExprError> {
    let nests = |token: &&Token<'_>| match token.kind {
        Kind::Word => token.text == "in",
        Kind::Sign => !matches!(token.text, "," | ")" | "]" | "}" | ":"),
        Kind::Number | Kind::Text => false,
    };
    match tokens.iter().filter(nests).nth(EXPRESSION_OPERATORS_MAX) {
        Some(token) => Err(ExprError::new(
            token.offset,
            format!("the expression has more than {EXPRESSION_OPERATORS_MAX} operators"),
        )
        .help("move parts of it to `vars`")),
        None => Ok(()),
    }
}
