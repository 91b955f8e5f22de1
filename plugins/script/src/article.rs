//! From Markdown, HTML or plain text to a title and paragraphs. It drops what is not meant to be read aloud:
//! marks, links, code, tables, scripts. It never changes the words that stay.

use reelmill_text::{paragraphs, squeeze};
use std::path::Path;

/// What an article holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Article {
    /// Its first heading.
    pub title: Option<String>,
    /// Its paragraphs.
    pub paragraphs: Vec<String>,
}

/// Whether a file name says HTML.
pub fn is_html_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("html") || extension.eq_ignore_ascii_case("htm")
    })
}

/// Reads an article.
pub fn parse(text: &str, is_html: bool) -> Article {
    let mut article = Article::default();
    let text = if is_html {
        let html = html_to_text(text);
        article.title = html.title;
        html.text
    } else {
        markdown_to_text(text, &mut article.title)
    };
    article.paragraphs = paragraphs(&text);
    take_plain_title(&mut article);
    article
}

/// A short first paragraph without a mark at its end is a headline when more follows.
fn take_plain_title(article: &mut Article) {
    const HEADLINE_CHARS_MAX: usize = 90;
    let [first, _, ..] = article.paragraphs.as_slice() else { return };
    let ends_like_prose = first.ends_with(['.', '!', '?', ':', ';', '…', '。', '！', '？', '"', '”', ')']);
    if article.title.is_none() && !ends_like_prose && first.chars().count() <= HEADLINE_CHARS_MAX {
        article.title = Some(article.paragraphs.remove(0));
    }
}

fn markdown_to_text(text: &str, title: &mut Option<String>) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    let mut front_matter = text.trim_start().starts_with("---\n");
    for (number, line) in text.trim_start().lines().enumerate() {
        let bare = line.trim();
        if front_matter {
            front_matter = number == 0 || bare != "---";
            continue;
        }
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| bare.starts_with(mark)) {
            match fence {
                Some(open) if open == mark => fence = None,
                Some(_) => {}
                None => fence = Some(mark),
            }
            plain.push('\n');
            continue;
        }
        if fence.is_some() {
            continue;
        }
        if let Some(heading) = heading(bare) {
            if title.is_none() && !heading.is_empty() {
                *title = Some(inline_text(heading));
            }
            plain.push('\n');
            continue;
        }
        push_line(&mut plain, bare);
    }
    plain
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    ((1..=6).contains(&level) && (text.is_empty() || text.starts_with(' ')))
        .then(|| text.trim().trim_end_matches('#').trim())
}

/// One line of Markdown outside code and headings.
fn push_line(plain: &mut String, line: &str) {
    let is_rule = line.len() >= 3
        && ["-", "*", "_", "="]
            .iter()
            .any(|mark| line.replace([' '], "").chars().all(|c| mark.starts_with(c)));
    let is_table = line.starts_with('|');
    if is_rule || is_table {
        plain.push('\n');
        return;
    }
    let quoted = line.trim_start_matches(['>', ' ']);
    match list_item(quoted) {
        // Each item of a list is a paragraph of its own.
        Some(item) => {
            plain.push('\n');
            plain.push_str(&inline_text(item));
        }
        None => plain.push_str(&inline_text(quoted)),
    }
    plain.push('\n');
}

fn list_item(line: &str) -> Option<&str> {
    for mark in ["- ", "* ", "+ "] {
        if let Some(item) = line.strip_prefix(mark) {
            return Some(item);
        }
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = line.get(digits..)?;
    (1..=3).contains(&digits).then(|| rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") "))).flatten()
}

/// Text without emphasis, code marks, images and the addresses of links.
fn inline_text(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['[', '!', '*', '`', '_']) {
        plain.push_str(&rest[..at]);
        let tail = &rest[at..];
        let is_image = tail.starts_with("![");
        if let Some((label, after)) =
            link(tail.strip_prefix('!').unwrap_or(tail)).filter(|_| is_image || tail.starts_with('['))
        {
            if !is_image {
                plain.push_str(&inline_text(label));
            }
            rest = after;
            continue;
        }
        let mark = &tail[..1];
        let run = tail.len() - tail.trim_start_matches(mark).len();
        let within_word = plain.chars().next_back().is_some_and(char::is_alphanumeric)
            && tail[run..].chars().next().is_some_and(char::is_alphanumeric);
        let is_emphasis = matches!(mark, "*" | "`") && run <= 3 || mark == "_" && run <= 3 && !within_word;
        if !is_emphasis {
            plain.push_str(&tail[..run]);
        }
        rest = &tail[run..];
    }
    plain.push_str(rest);
    squeeze(&plain)
}

/// `[label](address)` at the start: the label, and what follows. Both are short, so that a line of nothing but
/// brackets is not searched to its end for each of them.
fn link(text: &str) -> Option<(&str, &str)> {
    const CHARS_MAX: usize = 2_000;
    let find =
        |text: &str, mark| text.char_indices().take(CHARS_MAX).find(|(_, c)| *c == mark).map(|(at, _)| at);
    let label = text.strip_prefix('[')?;
    let label_end = find(label, ']')?;
    let address = label[label_end + 1..].strip_prefix('(')?;
    let end = find(address, ')')?;
    Some((&label[..label_end], &address[end + 1..]))
}

struct HtmlText {
    title: Option<String>,
    text: String,
}

/// The readable text of an HTML page: `article` or `main` when there is one, paragraphs by block elements.
fn html_to_text(html: &str) -> HtmlText {
    let title =
        element(html, "h1").or_else(|| element(html, "title")).map(|inner| squeeze(&strip_tags(inner)));
    let body = ["article", "main", "body"].iter().find_map(|name| element(html, name)).unwrap_or(html);
    HtmlText { title: title.filter(|title| !title.is_empty()), text: strip_tags(body) }
}

/// The inside of the first element of a name.
fn element<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let lower = html.to_ascii_lowercase();
    let open = lower
        .match_indices(&format!("<{name}"))
        .map(|(at, _)| at)
        .find(|at| lower[at + 1 + name.len()..].starts_with(['>', ' ', '\n', '\t', '\r']))?;
    let start = open + lower[open..].find('>')? + 1;
    let end = lower[start..].rfind(&format!("</{name}")).map_or(html.len(), |at| start + at);
    Some(&html[start..end])
}

/// Elements whose content is not prose, and the heading that the title already is.
const DROPPED: &[&str] = &[
    "script", "style", "nav", "footer", "header", "aside", "figure", "table", "form", "pre", "h1", "head",
    "noscript",
];
/// Elements within a line of prose; all others end a paragraph.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "cite", "code", "em", "i", "kbd", "mark", "q", "s", "small", "span", "strong",
    "sub", "sup", "time", "u", "var", "wbr",
];

fn strip_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        push_entities(&mut text, &rest[..at]);
        let tag = &rest[at..];
        if tag.starts_with("<!--") {
            rest = tag.find("-->").map_or("", |end| &tag[end + 3..]);
            continue;
        }
        let Some(end) = tag.find('>') else { return text };
        let name =
            tag[1..end].trim_start_matches('/').split([' ', '\n', '\t', '/']).next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        rest = &tag[end + 1..];
        if DROPPED.contains(&name.as_str()) && !tag.starts_with("</") {
            rest = after_close(rest, &name);
            text.push_str("\n\n");
        } else if !INLINE.contains(&name.as_str()) {
            text.push_str("\n\n");
        }
    }
    push_entities(&mut text, rest);
    text
}

fn after_close<'a>(html: &'a str, name: &str) -> &'a str {
    let close = format!("</{name}");
    let at =
        html.as_bytes().windows(close.len()).position(|window| window.eq_ignore_ascii_case(close.as_bytes()));
    at.and_then(|at| html[at..].find('>').map(|end| &html[at + end + 1..])).unwrap_or("")
}

fn push_entities(text: &mut String, raw: &str) {
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        let decoded =
            tail.find(';').filter(|end| *end <= 10).and_then(|end| Some((entity(&tail[1..end])?, end)));
        if let Some((mark, end)) = decoded {
            text.push(mark);
            rest = &tail[end + 1..];
        } else {
            text.push('&');
            rest = &tail[1..];
        }
    }
    text.push_str(rest);
}

fn entity(name: &str) -> Option<char> {
    if let Some(code) = name.strip_prefix('#') {
        let code = code
            .strip_prefix(['x', 'X'])
            .map_or_else(|| code.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?;
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "shy" => '\u{ad}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_keeps_the_words_and_drops_the_marks() {
        let text = "---\nauthor: me\n---\n# The *tide*\n\nThe **sea** [rises](http://x/y) by `3` m.\n\n```rust\nlet no = 1;\n```\n\n- one_two item\n- ![pic](p.png) second\n\n| a | b |\n---\n> quoted _words_";
        assert_eq!(
            parse(text, false),
            Article {
                title: Some("The tide".into()),
                paragraphs: ["The sea rises by 3 m.", "one_two item", "second", "quoted words"]
                    .map(Into::into)
                    .to_vec(),
            }
        );
    }

    #[test]
    fn html_keeps_prose_only() {
        let html = "<html><head><title>Site</title><style>p{}</style></head><body><nav>Menu</nav><article><h1>Tides &amp; moons</h1><p>Twice a <b>day</b>.</p><!-- x < y --><script>if (a<b) {}</script><p>It&#8217;s slow.</p></article></body>";
        assert_eq!(
            parse(html, true),
            Article {
                title: Some("Tides & moons".into()),
                paragraphs: ["Twice a day.", "It’s slow."].map(Into::into).to_vec(),
            }
        );
    }

    #[test]
    fn a_plain_headline_becomes_the_title_only_when_prose_follows() {
        assert_eq!(parse("Tides\n\nThe sea rises.", false).title.as_deref(), Some("Tides"));
        assert_eq!(parse("The sea rises.\n\nIt falls.", false).title, None);
        assert_eq!(parse("Tides", false).title, None);
    }

    #[test]
    fn broken_markup_ends_without_panic() {
        for text in [
            "[a](b",
            "![",
            "***",
            "<p",
            "<!--",
            "<script>",
            "&#xffffffff;",
            "&;",
            "```\nopen",
            "[é](ü) _",
            "#",
        ] {
            let _ = parse(text, false);
            let _ = parse(text, true);
        }
    }
}
