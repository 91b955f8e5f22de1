//! The words, and how they are put together for a platform. Pure.

use crate::fit::fit;
use crate::hashtag;
use crate::platform::{Platform, Rules};
use crate::types::{Input, Texts};
use reelmill_text::{Language, is_stop, sentences, squeeze, words};

/// Bytes of a description made of the script's sentences.
const OWN_BYTES: usize = 400;
/// Characters of a tag at the most.
const TAG_CHARS_MAX: usize = 60;

/// What a video is called and found by, before any platform cuts it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words {
    pub title: String,
    pub description: String,
    /// Words to be found by, the most telling first.
    pub keywords: Vec<String>,
    /// Hashtags, with or without their sign.
    pub hashtags: Vec<String>,
}

/// The script's own words: its first sentences, and the keywords of its scenes.
pub fn own_words(input: &Input) -> Words {
    let description = input.summary.as_deref().map(str::trim).filter(|text| !text.is_empty());
    Words {
        title: squeeze(&input.title),
        description: description.map_or_else(|| first_sentences(input), str::to_owned),
        keywords: keywords(input),
        hashtags: input.hashtags.clone(),
    }
}

/// The first sentence of each scene, as long as there is room: what the video comes to.
fn first_sentences(input: &Input) -> String {
    let mut text = String::new();
    for scene in &input.scenes {
        let narration = squeeze(&scene.narration);
        let Some(first) = sentences(&narration).first().copied() else { continue };
        if text.len() + first.len() > OWN_BYTES {
            break;
        }
        reelmill_text::push_spaced(&mut text, first);
    }
    text
}

/// Given keywords, then those of the scenes in turn: the first of each scene before any second.
fn keywords(input: &Input) -> Vec<String> {
    let most = input.scenes.iter().map(|scene| scene.keywords.len()).max().unwrap_or(0);
    let of_scenes =
        (0..most).flat_map(|place| input.scenes.iter().filter_map(move |scene| scene.keywords.get(place)));
    let language = Language::of(&input.language);
    let from_title: Vec<String> = words(&input.title)
        .into_iter()
        .filter(|word| !is_stop(&word.folded, &language))
        .map(|word| word.text.to_lowercase())
        .collect();
    unique(input.keywords.iter().chain(of_scenes).chain(&from_title))
}

fn unique<'a>(list: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in list.map(|word| squeeze(word)).filter(|word| !word.is_empty()) {
        if !found.iter().any(|known| known.to_lowercase() == word.to_lowercase()) {
            found.push(word);
        }
    }
    found
}

/// What is said on a platform.
pub fn for_platform(words: &Words, input: &Input, platform: Platform) -> Texts {
    let rules = platform.rules();
    let clean = |text: &str| text.replace(rules.forbidden, " ").trim().to_owned();
    let mut texts = Texts::default();
    let (title, is_cut) = match rules.title {
        Some(max) => fit(&clean(&words.title), max, |text| text.chars().count()),
        None => (words.title.clone(), false),
    };
    note(&mut texts.cut, "title", is_cut);
    texts.hashtags = hashtags(words, input, &rules);
    if rules.tags > 0 {
        texts.tags = tags(words, &rules, &mut texts.cut);
    }
    // Without a title of its own, the text begins with it.
    let head = if rules.title.is_some() { String::new() } else { title.clone() };
    texts.text = body(&head, &clean(&words.description), input, &rules, &mut texts);
    if rules.title.is_some() {
        texts.title = title;
    }
    texts
}

fn note(cut: &mut Vec<String>, part: &str, is_cut: bool) {
    if is_cut {
        cut.push(part.to_owned());
    }
}

fn hashtags(words: &Words, input: &Input, rules: &Rules) -> Vec<String> {
    let wanted = (input.hashtag_count as usize).min(rules.hashtags);
    let own = rules.own_hashtag.into_iter();
    let given = words.hashtags.iter().chain(&words.keywords).map(String::as_str);
    hashtag::list(own.chain(given), wanted)
}

/// Tags as long as there is room: commas between them count, and quotes around those with spaces.
fn tags(words: &Words, rules: &Rules, cut: &mut Vec<String>) -> Vec<String> {
    let (mut tags, mut length) = (Vec::new(), 0);
    for word in &words.keywords {
        let tag = word.replace(rules.forbidden, " ").replace([',', '"', '#'], " ");
        let tag = squeeze(&tag);
        let quotes = if tag.contains(' ') { 2 } else { 0 };
        let more = tag.chars().count() + quotes + usize::from(!tags.is_empty());
        if tag.is_empty() || tag.chars().count() > TAG_CHARS_MAX {
            continue;
        }
        if length + more > rules.tags {
            note(cut, "tags", true);
            break;
        }
        length += more;
        tags.push(tag);
    }
    tags
}

/// Title, description, hashtags, links and credits, a paragraph each. When it is too long, the description is cut
/// first; what then still does not fit is left out from the end, but credits before anything else: whoever is not named
/// in full has to be named elsewhere.
fn body(head: &str, description: &str, input: &Input, rules: &Rules, texts: &mut Texts) -> String {
    let count = |text: &str| rules.count.of(text);
    let clean = |lines: &[String]| {
        let lines: Vec<String> =
            lines.iter().map(|line| squeeze(&line.replace(rules.forbidden, " "))).collect();
        lines.join("\n")
    };
    let mut tail = [
        ("credits", clean(&input.credits)),
        ("links", clean(&input.links)),
        ("hashtags", texts.hashtags.join(" ")),
    ];
    let joined = |head: &str, description: &str, tail: &[(&str, String)]| {
        let [credits, links, hashtags] = [0, 1, 2].map(|place| tail[place].1.as_str());
        let parts = [head, description, hashtags, links, credits];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    };
    // A title leaves room for the rest.
    let (head, is_cut) = fit(head, rules.text / 2, count);
    note(&mut texts.cut, "title", is_cut);
    for place in 0..tail.len() {
        if count(&joined(&head, "", &tail)) <= rules.text {
            break;
        }
        if !tail[place].1.is_empty() {
            texts.cut.push(tail[place].0.to_owned());
            tail[place].1.clear();
        }
    }
    if tail[2].1.is_empty() {
        texts.hashtags.clear();
    }
    let without = count(&joined(&head, "", &tail));
    // Two line breaks go between it and the rest.
    let room = rules.text.saturating_sub(if without == 0 { 0 } else { without + 2 });
    let (description, is_cut) = fit(description, room, count);
    note(&mut texts.cut, "description", is_cut);
    joined(&head, &description, &tail)
}
