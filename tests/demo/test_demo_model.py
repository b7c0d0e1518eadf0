"""The stand-in model answers what nano-graphrag's own functions can read; they are the judges here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nano_graphrag import _op
from nano_graphrag._utils import convert_response_to_json, list_of_list_to_csv, split_string_by_multi_markers
from nano_graphrag.prompt import PROMPTS

from demo import model
from demo.templates import Template

TEXT = """Alice Cooper met Bob Dylan in Paris. Bob Dylan sang for Alice Cooper at the Olympia.
The Olympia is a concert hall in Paris (near the Opera). Nobody else came."""
DELIMITERS = {
    "tuple_delimiter": PROMPTS["DEFAULT_TUPLE_DELIMITER"],
    "record_delimiter": PROMPTS["DEFAULT_RECORD_DELIMITER"],
    "completion_delimiter": PROMPTS["DEFAULT_COMPLETION_DELIMITER"],
}


def extraction_prompt(text: str) -> str:
    return PROMPTS["entity_extraction"].format(
        **DELIMITERS, entity_types="organization,person", input_text=text
    )


def records_of(answer: str) -> list[list[str]]:
    """Cuts an answer as nano-graphrag's extract_entities does."""
    ends = [DELIMITERS["record_delimiter"], DELIMITERS["completion_delimiter"]]
    records = split_string_by_multi_markers(answer, ends)
    assert all(record.startswith("(") and record.endswith(")") for record in records)
    return [
        split_string_by_multi_markers(record[1:-1], [DELIMITERS["tuple_delimiter"]]) for record in records
    ]


async def parse(answer: str) -> tuple[list[dict], list[dict]]:
    entities, relationships = [], []
    for record in records_of(answer):
        entity = await _op._handle_single_entity_extraction(record, "chunk-1")
        relationship = await _op._handle_single_relationship_extraction(record, "chunk-1")
        assert (entity is None) != (relationship is None)
        if entity:
            entities.append(entity)
        else:
            relationships.append(relationship)
    return entities, relationships


async def test_an_extraction_is_read_by_nano_graphrag():
    entities, relationships = await parse(model.answer(extraction_prompt(TEXT)))
    described = {entity["entity_name"]: entity for entity in entities}
    assert set(described) == {'"ALICE COOPER"', '"BOB DYLAN"', '"PARIS"', '"OLYMPIA"', '"OPERA"'}
    assert described['"OLYMPIA"']["entity_type"] == '"ORGANIZATION"'
    assert "concert hall" in described['"OLYMPIA"']["description"]
    strengths = {(link["src_id"], link["tgt_id"]): link["weight"] for link in relationships}
    assert strengths['"ALICE COOPER"', '"BOB DYLAN"'] == 2.0


async def test_names_are_linked_only_by_a_sentence_that_they_share():
    _, relationships = await parse(model.answer(extraction_prompt("We met Scrooge. They left London.")))
    assert relationships == []


@pytest.mark.parametrize("mark", ["<|>", "##", "<|COMPLETE|>", '"', "(", ")", "{x}", "\\", "\t", "\x00"])
async def test_marks_of_the_format_in_the_text_do_not_break_it(mark: str):
    entities, relationships = await parse(
        model.answer(extraction_prompt(f"We saw Rome {mark} and then Paris."))
    )
    assert {entity["entity_name"] for entity in entities} >= {'"ROME"', '"PARIS"'}
    assert ('"PARIS"', '"ROME"') in {(link["src_id"], link["tgt_id"]) for link in relationships}


def test_a_text_without_names_has_no_records():
    assert records_of(model.answer(extraction_prompt("nothing here at all."))) == []


def test_nothing_more_is_found_when_asked_again():
    assert records_of(model.answer(PROMPTS["entiti_continue_extraction"])) == []
    assert model.answer(PROMPTS["entiti_if_loop_extraction"]) == "NO"


def test_a_summary_is_made_of_the_descriptions():
    prompt = PROMPTS["summarize_entity_descriptions"].format(
        entity_name="PARIS", description_list=["It's a city.", 'A "capital".', "It's a city."]
    )
    assert model.answer(prompt) == 'It\'s a city. A "capital".'


def report_prompt() -> str:
    entities = [["id", "entity", "type", "description", "degree"]]
    entities += [
        [0, '"PARIS"', '"GEO"', '"Paris is a city."<SEP>"It has a hall."', 2],
        [1, '"HALL"', '"GEO"', "x", 1],
    ]
    links = [
        ["id", "source", "target", "description", "rank"],
        [0, '"PARIS"', '"HALL"', "The hall is in Paris.", 3],
    ]
    tables = [
        ("Reports", ""),
        ("Entities", list_of_list_to_csv(entities)),
        ("Relationships", list_of_list_to_csv(links)),
    ]
    text = "\n".join(f"-----{title}-----\n```csv\n{rows}\n```" for title, rows in tables)
    return PROMPTS["community_report"].format(input_text=text)


def test_a_community_report_is_read_by_nano_graphrag():
    report = convert_response_to_json(model.answer(report_prompt()))
    assert report["title"] == "PARIS, HALL"
    assert report["summary"].startswith("Paris is a city. It has a hall.")
    assert report["findings"] == [{"summary": "PARIS and HALL", "explanation": "The hall is in Paris."}]
    assert 0 <= report["rating"] <= 10
    text = _op._community_report_json_to_str(report)
    assert text.startswith("# PARIS, HALL\n\nParis is a city.")
    assert "## PARIS and HALL\n\nThe hall is in Paris." in text


CONTEXT = list_of_list_to_csv(
    [
        ["id", "content", "rating", "importance"],
        [0, "# A title\n\nBob Dylan sang in the Olympia of Paris.", 5.0, 1.0],
    ]
)


def test_key_points_are_read_by_nano_graphrag():
    system = PROMPTS["global_map_rag_points"].format(context_data=CONTEXT)
    points = convert_response_to_json(model.answer("Who sang in Paris?", system))["points"]
    assert [point["description"] for point in points] == ["Bob Dylan sang in the Olympia of Paris."]
    assert all(0 < point["score"] <= 100 for point in points)


def test_points_are_merged_best_first():
    points = [(90, "The best point."), (9, "The other.")]
    data = "\n".join(f"----Analyst 0----\nImportance Score: {score}\n{text}\n" for score, text in points)
    prompt = PROMPTS["global_reduce_rag_response"].format(report_data=data, response_type="x")
    assert model.answer(prompt) == "- The best point.\n- The other."


@pytest.mark.parametrize(
    ("template", "field"), [("local_rag_response", "context_data"), ("naive_rag_response", "content_data")]
)
def test_a_question_is_answered_with_sentences_of_the_text(template: str, field: str):
    system = PROMPTS[template].format(response_type="Multiple Paragraphs", **{field: CONTEXT})
    assert model.answer("Who sang in Paris?", system) == "- Bob Dylan sang in the Olympia of Paris."
    assert "no sentence that matches" in model.answer("What is a quark?", system)


def test_a_prompt_of_somebody_else_is_refused():
    with pytest.raises(ValueError, match="does not know this prompt: 'Tell me a joke'"):
        model.answer("Tell me a joke")


@pytest.mark.parametrize("name", ["entity_extraction", "community_report", "local_rag_response"])
def test_a_template_reads_back_what_was_put_in(name: str):
    odd = "a {b} {{c}} \\d .* \n```csv\n(?P<x>) ü"
    fields = {field: odd for field in ("input_text", "context_data", "response_type", "entity_types")}
    read = Template(name).read(PROMPTS[name].format(**DELIMITERS, **fields))
    assert read is not None
    assert set(read.values()) == {odd}
    assert Template(name).read("another prompt") is None


SCRIPT = """
import hashlib, sys
from demo import model
from test_demo_model import TEXT, extraction_prompt, report_prompt
answers = model.answer(extraction_prompt(TEXT)) + model.answer(report_prompt())
print(hashlib.sha256(answers.encode() + model.embed(TEXT).tobytes()).hexdigest())
"""


def test_every_process_gives_the_same_answers():
    here = Path(__file__).parent

    def run(seed: str) -> str:
        path = f"{here.parents[1]}:{here}"
        environment = {"PYTHONPATH": path, "PYTHONHASHSEED": seed, "HOME": "/nonexistent"}
        command = [sys.executable, "-c", SCRIPT]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert run("1") == run("2") != ""


def test_an_embedding_has_length_one_and_knows_the_words():
    one, similar, other = (
        model.embed(text) for text in ("libraries for HTTP", "an HTTP library", "linear algebra")
    )
    assert np.linalg.norm(one) == pytest.approx(1)
    assert float(one @ similar) > 0.9
    assert abs(float(one @ other)) < 0.3
    assert not model.embed("").any()
