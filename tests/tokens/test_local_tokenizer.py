"""The local tokenizer: known words are single tokens, every text survives, and the ids depend on nothing but the words."""

import json
import re

import numpy as np
import pytest
from transformers import AutoTokenizer

from praxia.recipes.pose_vla import tiny
from praxia.recipes.words import world_words
from praxia.tokens.local_tokenizer import LocalTokenizer, local_tokenizer
from praxia.worlds.libero.tasks import SUITES, instruction

SPECIALS = ("<pad>", "<eos>", "<bos>", "<unk>", "<loc0000>", "<loc0001>", "<SEG>")
WORDS = ("push", "pushes", "the", "red", "mug", "to", "drawer", "colour")


@pytest.fixture(scope="module")
def tokenizer():
    return local_tokenizer(WORDS, SPECIALS)


def test_a_known_word_is_one_token_wherever_it_stands(tokenizer):
    for text in ("push", "push the red mug", "the mug pushes the drawer"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert [tokenizer.decode([i]).strip() for i in ids] == text.split()


def test_all_words_of_the_worlds_are_one_token():
    words = world_words()
    tokenizer = LocalTokenizer(words).build(SPECIALS)
    assert all(len(tokenizer.encode(word, add_special_tokens=False)) == 1 for word in words)
    for text in (instruction(task).lower() for tasks in SUITES.values() for task in tasks):
        assert set(re.findall("[a-z]+", text)) <= set(words)


def test_a_semicolon_is_one_token_behind_a_word_and_behind_a_number_token():
    """So that an answer of poses and its placebo, with words in place of numbers, have equally many tokens."""
    tokenizer = tiny().tokenizer.build(SPECIALS)
    ids = tokenizer.encode("<loc0000><loc0001>; mug<loc0001>;<SEG>", add_special_tokens=False)
    said = ["<loc0000>", "<loc0001>", " ;", " mug", "<loc0001>", " ;", "<SEG>"]
    assert [tokenizer.decode([i]) for i in ids] == said
    words = tokenizer.encode(" red mug; mug mug;<SEG>", add_special_tokens=False)
    assert [tokenizer.decode([i]) for i in words] == [" red", " mug", ";", " mug", " mug", ";", "<SEG>"]


def unicode_texts(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    planes = [(0x20, 0x7E), (0xA1, 0x24F), (0x370, 0x5FF), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF)]
    texts = []
    for _ in range(count):
        plane = planes[rng.integers(len(planes))]
        texts.append("".join(chr(rng.integers(*plane)) for _ in range(rng.integers(1, 30))))
    return [*texts, "a\nb\tc", "  two  spaces ", "naïve café — “quotes”", "👩‍🔧 turns the 🔩", "pushpush", "Push THE mug!?"]


def test_any_text_round_trips(tokenizer):
    for text in unicode_texts(300):
        back = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False))
        assert back in (text, " " + text)  # the first word is written as inside a sentence


def test_special_tokens_have_the_first_ids_and_are_never_split(tokenizer):
    assert tokenizer.convert_tokens_to_ids(list(SPECIALS)) == list(range(len(SPECIALS)))
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token) == ("<bos>", "<eos>", "<pad>", "<unk>")
    assert tokenizer.encode("<loc0001><loc0000>", add_special_tokens=False) == [5, 4]
    ids = tokenizer.encode("push<SEG>mug", add_special_tokens=False)
    assert ids.count(6) == 1 and len(ids) == 3
    assert tokenizer.decode(ids, skip_special_tokens=True).split() == ["push", "mug"]


def test_saved_and_loaded_by_name_of_its_folder_it_gives_the_same_ids(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*unicode_texts(60), "push the red mug", "<bos>push<loc0001>"]:
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert loaded.encode(text, add_special_tokens=False) == ids and loaded.decode(ids) == tokenizer.decode(ids)
    assert len(loaded) == len(tokenizer) and loaded.eos_token_id == tokenizer.eos_token_id


def test_ids_do_not_depend_on_the_order_of_the_words_nor_on_repeats(tokenizer):
    shuffled = local_tokenizer((*reversed(WORDS), "mug", "push"), SPECIALS)
    assert shuffled.get_vocab() == tokenizer.get_vocab()
    assert json.loads(shuffled.backend_tokenizer.to_str()) == json.loads(tokenizer.backend_tokenizer.to_str())


def test_qwens_names_take_the_same_roles():
    tokenizer = local_tokenizer(WORDS, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token) == ("<|endoftext|>", "<|im_end|>", None)
