"""report.html as a browser and a reader meet it."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from tests.report.contents import NASTY, everything, write_run

from praxia.report import ReportContent, write_report

VOID = {"meta", "img", "br"}
BLOCKS = {"p", "div", "ul", "table", "figure", "section", "h2", "h3", "details"}
EMPTY = {
    "evaluation": "has not been judged",
    "clips": "No episodes were filmed",
    "stages": "No stage has been finished",
    "answers": "learnt to answer questions",
    "sources": "were not described",
    "ingredients": "No ingredients were listed",
}


class Checker(HTMLParser):
    """Collects texts, addresses and tags; fails on elements that are not closed in order, or that a paragraph cannot hold."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not (tag in BLOCKS and "p" in self.open), f"<{tag}> inside a paragraph"
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "poster", "srcset", "data", "action", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)


def read(run, content: ReportContent) -> tuple[str, Checker]:
    page = write_report(run, content).read_text()
    return page, Checker(page)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[str, Checker]:
    return read(write_run(tmp_path_factory.mktemp("runs") / "my_run"), everything())


def test_every_element_is_closed_in_order_and_every_link_has_a_target(whole):
    _, seen = whole
    assert len(seen.ids) == len(set(seen.ids))
    assert {a[1:] for a in seen.addresses if a.startswith("#")} <= set(seen.ids)


def test_nothing_is_loaded_from_outside_and_nothing_runs(whole):
    page, seen = whole
    assert all(address.startswith(("data:", "#")) for address in seen.addresses)
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(seen.tags)
    assert not re.search(r"https?://|@import|url\(", page)
    assert "default-src 'none'" in unescape(page)


def test_texts_from_data_are_shown_as_written_and_never_become_markup(whole):
    page, seen = whole
    assert "<b>red" not in page and "<script" not in page
    assert sum(NASTY in text for text in seen.texts) == 3  # film, question, contact sheet


def test_every_task_stands_beside_both_controls_with_intervals(whole):
    _, seen = whole
    text = " ".join(seen.texts)
    rows = re.findall(r"pick and place\s+(\d+)\D% \((\d+) to (\d+)\)\s+(\d+)\D% \(\d+ to \d+\)\s+(\d+)\D% \(\d+ to \d+\)\s+20", text)
    assert rows == [("75", "53", "89", "5", "5")]
    told = ("instruction shuffled", "images blanked", "mean over tasks", "pose_vla", "abc1234", "some processor", "0123456789abcdef", "2.41")
    assert all(words in text for words in told)


@pytest.mark.parametrize("part", EMPTY)
def test_a_missing_part_is_one_sentence_and_the_rest_stays(run, content, part):
    if part in ("evaluation", "stages"):
        gone = {"evaluation": ("success", "per_task", "controls"), "stages": ("stages",)}[part]
        content = replace(content, summary={k: v for k, v in content.summary.items() if k not in gone})
    else:
        content = replace(content, **{part: ()})
    text = " ".join(read(run, content)[1].texts)
    assert [name for name, sentence in EMPTY.items() if sentence in text] == [part]


def test_a_run_of_which_nothing_is_known_still_makes_a_page(tmp_path):
    text = " ".join(read(tmp_path / "empty", ReportContent("pose_vla", "tiny", {}))[1].texts)
    assert all(sentence in text for sentence in EMPTY.values())


def test_the_same_content_gives_the_same_bytes(whole, run, content):
    assert read(run, content)[0] == whole[0]


def test_updates_skipped_for_nan_are_told(whole):
    assert "3 updates were skipped" in whole[0]
