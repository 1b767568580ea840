//! The score's definition: tables of an operator's over the defaults, and what is refused.

use std::fmt::Write as _;

use super::Given;

#[test]
fn tables_of_an_operator_are_laid_over_the_defaults() {
    let config = Given::file(
        "[engagement.factors.views]\ncap = 30\n[engagement.factors.tips]\ncap = 10\nhalf_life_days = 90\n\
         [engagement.kinds.tip]\nfactor = \"tips\"\npoints = 5\n[engagement.kinds.share]\ndaily_cap = 3\n",
    )
    .environment("MEMBERD_ENGAGEMENT__KINDS__COMMENT__POINTS", "2")
    .load()
    .config;
    let scoring = config.engagement.scoring;
    let caps: Vec<_> = scoring
        .factors
        .iter()
        .map(|it| (it.id.as_str(), it.cap, it.half_at, it.half_life))
        .collect();
    let wanted = [
        ("conversations", 20, 5, 14),
        ("sharing", 15, 3, 30),
        ("talk", 25, 5, 30),
        ("tips", 10, 10, 90),
        ("views", 30, 20, 30),
    ];
    assert_eq!(caps, wanted);
    let kinds: Vec<_> = scoring
        .kinds
        .iter()
        .map(|it| (it.id.as_str(), it.factor.as_str(), it.points, it.daily_cap))
        .collect();
    let wanted = [
        ("comment", "talk", 2, 10),
        ("content_view", "views", 1, 20),
        ("persona_chat", "conversations", 1, 10),
        ("share", "sharing", 1, 3),
        ("tip", "tips", 5, 10),
    ];
    assert_eq!(kinds, wanted);
}

#[test]
fn a_definition_of_the_score_that_cannot_be_is_refused() {
    let given = Given::file(
        "[engagement.levels]\nengaged = 60\ncasual = 60\n\
         [engagement.factors.views]\ncap = 50\nhalf_life_days = 2\n\
         [engagement.kinds.tip]\npoints = -1\n[engagement.kinds.like]\nfactor = \"view\"\n\
         [engagement.kinds.Like]\nfactor = \"views\"\n",
    );
    assert_eq!(
        given.lines(),
        [
            "default: engagement.kinds.tip.factor = \"\" is not set; \
             write one of conversations, sharing, talk, views, or add its table",
            "default: engagement.levels.superfan = 60 is not above engaged = 60; \
             write 61 or more, or lower engaged",
            "memberd.toml:2:11: engagement.levels.engaged = 60 is not above casual = 60; \
             write 61 or more, or lower casual",
            "memberd.toml:5:7: engagement.factors.views.cap = 50 makes the caps of all factors add up to 110: \
             conversations 20, sharing 15, talk 25, views 50; change caps until they add up to 100",
            "memberd.toml:6:18: engagement.factors.views.half_life_days = 2 is out of range; write 3 to 365",
            "memberd.toml:8:10: engagement.kinds.tip.points = -1 is out of range; write 0 to 1000",
            "memberd.toml:10:10: engagement.kinds.like.factor = \"view\" is not the name of a factor; \
             write one of conversations, sharing, talk, views, or add its table",
            "memberd.toml:11:19: engagement.kinds.Like is not a name of a kind; use 1 to 40 of a-z, 0-9, _ and -",
        ]
    );
}

#[test]
fn too_many_tables_are_refused() {
    let mut text = String::new();
    for n in 0..5 {
        let _ = writeln!(text, "[engagement.factors.f{n}]\nhalf_at = 1");
    }
    for n in 0..61 {
        let _ = writeln!(text, "[engagement.kinds.k{n:02}]\nfactor = \"views\"");
    }
    let lines = Given::file(&text).lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("8 factors"), "{lines:?}");
    assert!(lines[1].contains("64 kinds"), "{lines:?}");
}

#[test]
fn sums_that_might_overflow_are_refused() {
    let most = |points: i64| {
        format!(
            "[engagement.factors.views]\nhalf_life_days = 365\n\
             [engagement.kinds.content_view]\npoints = {points}\ndaily_cap = 10000\n"
        )
    };
    Given::file(&most(1)).load();
    let lines = Given::file(&most(1000)).lines();
    let wanted = "memberd.toml:2:18: engagement.factors.views.half_life_days = 365 lets the sums of its factor grow beyond \
                  what is counted exactly; lower it, or the points or daily caps of its kinds";
    assert_eq!(lines, [wanted]);
}
