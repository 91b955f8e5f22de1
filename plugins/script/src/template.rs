//! An outline with the topic filled in. It knows nothing of the subject and says nothing about it that could be
//! wrong; it is there to try a pipeline out without a model or a text.

use crate::extract;
use crate::source::Source;
use crate::types::{Input, Method, Script};
use reelmill_sdk::StageError;
use reelmill_text::words;

/// What stands for the topic in a line.
const BLANK: &str = "{topic}";

/// Languages with an outline, and its lines in the order of the video.
const OUTLINES: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "Let us take a short look at {topic}.",
            "Where do we meet {topic}? Often closer to home than we think.",
            "Every subject has a beginning. What is the first thing to ask about {topic}?",
            "Look closely, and {topic} turns out to have many sides.",
            "What would be different without {topic}? That question shows what matters.",
            "People see {topic} in their own ways, and each of them notices something else.",
            "What is worth remembering about {topic}? The one thing that surprised you.",
            "That was a first look at {topic}. There is always more to see.",
        ],
    ),
    (
        "no",
        &[
            "La oss ta en kort titt på {topic}.",
            "Hvor møter vi {topic}? Ofte nærmere hjemme enn vi tror.",
            "Alt har en begynnelse. Hva er det første vi bør spørre om {topic}?",
            "Ser vi nøye etter, har {topic} mange sider.",
            "Hva ville vært annerledes uten {topic}? Det spørsmålet viser hva som betyr noe.",
            "Folk ser {topic} på hver sin måte, og alle legger merke til noe nytt.",
            "Hva er verdt å huske om {topic}? Det ene som overrasket deg.",
            "Det var et første blikk på {topic}. Det er alltid mer å se.",
        ],
    ),
    (
        "de",
        &[
            "Werfen wir einen kurzen Blick auf das Thema {topic}.",
            "Wo begegnet uns das Thema {topic}? Oft näher, als wir denken.",
            "Alles hat einen Anfang. Was fragt man beim Thema {topic} zuerst?",
            "Wer genau hinsieht, entdeckt beim Thema {topic} viele Seiten.",
            "Was wäre anders ohne das Thema {topic}? Diese Frage zeigt, worauf es ankommt.",
            "Das Thema {topic} sieht jeder auf seine Weise, und jeder bemerkt etwas anderes.",
            "Was bleibt vom Thema {topic}? Das eine, das überrascht hat.",
            "Das war ein erster Blick auf das Thema {topic}. Es gibt immer mehr zu sehen.",
        ],
    ),
    (
        "es",
        &[
            "Echemos un vistazo breve a este tema: {topic}.",
            "¿Dónde encontramos {topic}? A menudo más cerca de lo que pensamos.",
            "Todo tiene un comienzo. ¿Qué preguntaríamos primero sobre {topic}?",
            "De cerca, el tema {topic} tiene muchas caras.",
            "¿Qué sería distinto sin {topic}? Esa pregunta muestra lo que importa.",
            "Cada persona ve {topic} a su manera y nota algo diferente.",
            "¿Qué vale la pena recordar sobre {topic}? Aquello que te sorprendió.",
            "Fue una primera mirada a {topic}. Siempre hay más que ver.",
        ],
    ),
    (
        "fr",
        &[
            "Jetons un bref regard sur ce sujet : {topic}.",
            "Où rencontrons-nous le sujet {topic} ? Souvent plus près qu'on ne le croit.",
            "Tout a un début. Quelle est la première question sur le sujet {topic} ?",
            "De près, le sujet {topic} a bien des facettes.",
            "Que serait le monde sans {topic} ? Cette question montre ce qui compte.",
            "Chacun voit le sujet {topic} à sa manière et remarque autre chose.",
            "Que retenir du sujet {topic} ? Ce qui vous a surpris.",
            "C'était un premier regard sur le sujet {topic}. Il reste toujours à voir.",
        ],
    ),
    (
        "zh",
        &[
            "让我们简单看一看{topic}。",
            "我们在哪里会遇到{topic}？往往比想象的更近。",
            "凡事都有开头。关于{topic}，第一个问题是什么？",
            "仔细看，{topic}有许多侧面。",
            "如果没有{topic}，会有什么不同？这个问题告诉我们什么最重要。",
            "每个人看{topic}的方式都不一样，也会注意到不同的地方。",
            "关于{topic}，什么值得记住？就是让你惊讶的那一点。",
            "以上是对{topic}的初步了解，值得看的还有很多。",
        ],
    ),
];

/// Fills the outline of the language.
pub fn write(input: &Input, source: &Source) -> Result<Script, StageError> {
    let topic = source.topic.clone().unwrap_or_default();
    let Some((_, lines)) = OUTLINES.iter().find(|(tag, _)| *tag == source.language.tag()) else {
        let known: Vec<&str> = OUTLINES.iter().map(|(tag, _)| *tag).collect();
        return Err(StageError::invalid_input(format!(
            "there is no template script for language `{}` (there is for {}); give `text`, `article` or `llm`",
            input.language,
            known.join(", ")
        ))
        .code("no_template"));
    };
    let narrations: Vec<String> =
        spread(lines, input.scenes as usize).into_iter().map(|line| line.replace(BLANK, &topic)).collect();
    let mut notes = vec!["a template script: it repeats the topic and knows nothing of it".to_owned()];
    if narrations.len() < input.scenes as usize {
        notes.push(format!(
            "{} scenes were asked for, but the template has {}",
            input.scenes,
            narrations.len()
        ));
    }
    let title = source.title.clone().unwrap_or_else(|| topic.clone());
    let mut script = extract::script(title, source, Method::Template, &narrations, notes);
    // The outline's own words would find footage of nothing; only the topic's do.
    let keywords: Vec<String> =
        words(&topic).into_iter().map(|word| word.text.to_lowercase()).take(6).collect();
    for scene in &mut script.scenes {
        scene.keywords.clone_from(&keywords);
        scene.search_terms.clone_from(&keywords);
    }
    Ok(script)
}

/// The first and the last line, and as many between them as are wanted.
fn spread<'a>(lines: &[&'a str], scenes: usize) -> Vec<&'a str> {
    let last = lines.len() - 1;
    match scenes {
        1 => vec![lines[0]],
        wanted if wanted > last => lines.to_vec(),
        wanted => (0..wanted - 1).map(|place| lines[place]).chain([lines[last]]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Write;
    use reelmill_sdk::prelude::*;

    fn write(with: Value) -> Result<Value, StageError> {
        reelmill_sdk::testing::run::<Write>(with, std::path::Path::new("/nonexistent"))
    }

    #[test]
    fn a_template_says_that_it_is_one() {
        for language in ["en", "nb", "de", "es", "fr", "zh-CN"] {
            let script = write(json!({ "topic": "tide pools", "language": language, "scenes": 3 })).unwrap();
            assert_eq!(script["method"], "template");
            let scenes = script["scenes"].as_array().unwrap();
            assert_eq!(scenes.len(), 3);
            assert!(scenes.iter().all(|scene| scene["narration"].as_str().unwrap().contains("tide pools")));
            assert_eq!(scenes[1]["keywords"], json!(["tide", "pools"]));
            assert!(script["notes"][0].as_str().unwrap().contains("template"));
        }
    }

    #[test]
    fn more_scenes_than_lines_give_all_lines_once() {
        let script = write(json!({ "topic": "x-rays", "scenes": 40 })).unwrap();
        assert_eq!(script["scenes"].as_array().unwrap().len(), OUTLINES[0].1.len());
        assert_eq!(script["notes"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn an_unknown_language_names_the_known_ones() {
        let error = write(json!({ "topic": "tides", "language": "xx" })).unwrap_err();
        assert!(error.failure().message.contains("en, no, de"), "{error}");
    }

    #[test]
    fn every_line_of_every_outline_names_the_topic() {
        assert!(OUTLINES.iter().flat_map(|(_, lines)| lines.iter()).all(|line| line.contains(BLANK)));
    }
}
