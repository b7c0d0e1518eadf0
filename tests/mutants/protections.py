"""The protections that `make mutants` takes away, one at a time, and the tests that must notice.

An entry names a file, a text that stands there exactly once, what is put in its place, and tests: each of them passes
on the real source and fails without the protection. Keep the texts short: they must survive other changes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Protection:
    name: str  # what is taken away
    rows: tuple[int, ...]  # of the table in docs/reliability.md
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]  # tests/c/test_x.c::name, tests/x/test_y.py::name or tests/x/test_y.py::name[variant]
    everywhere: bool = False  # `text` may stand there several times, and all of them go


CONN_IO = "tests/c/test_conn_io.c::"
CONNECT = "tests/c/test_conn_connect.c::"
END = "tests/c/test_conn_end.c::"
HANDSHAKE = "tests/c/test_conn_handshake.c::"
REPLY = "tests/c/test_reply.c::"
RETRY = "tests/c/test_client_retry.c::"
POOL = "tests/c/test_pool.c::"
READ = "tests/c/test_batch_read.c::"
WRITE = "tests/c/test_batch_write.c::"
GROWING = "tests/c/test_batch_stream.c::"
SCAN = "tests/c/test_batch_scan.c::"
FORK = "tests/life/test_life_fork.py::"
REENTRY = "tests/life/test_life_reentry.py::"
STREAM = "tests/faults/test_fault_stream.py::"

PROTECTIONS = [
    # --- the queue of replies ---
    Protection(
        "the tombstone of a cancelled call",
        (1, 2),
        "src/core/client.c",
        "case NGR_REQ_WRITTEN:\n        return false;",
        "case NGR_REQ_WRITTEN:\n        ngr_node_unlink(&r->node);\n        break;",
        (
            CONN_IO + "the_answer_to_a_cancelled_request_is_dropped_and_the_next_one_found",
            "tests/faults/test_fault_cancel.py::test_the_reply_of_a_cancelled_call_is_dropped",
        ),
    ),
    Protection(
        "withdrawing what was not written yet",
        (1,),
        "src/core/client.c",
        "case NGR_REQ_UNWRITTEN:\n        ngr_conn_withdraw(r->holder, r);\n        break;",
        "case NGR_REQ_UNWRITTEN:\n        return false;",
        (CONN_IO + "a_request_that_was_not_written_yet_is_taken_back",),
    ),
    Protection(
        "a surplus reply kills the connection",
        (5,),
        "src/core/conn.c",
        'ngr__conn_break(c, NGR_E_PROTOCOL, "an answer came that nobody asked for");\n    return NGR_E_CLOSED;',
        "(void)c;\n    return NGR_OK;",
        (CONN_IO + "a_surplus_answer_kills_an_idle_connection",),
    ),
    Protection(
        "no answer before the question has left",
        (5,),
        "src/core/conn.c",
        "if (r == c->partial)",
        "if (0)",
        (CONN_IO + "an_answer_to_what_was_not_sent_yet_is_a_protocol_error",),
    ),
    Protection(
        "one reader at a time",
        (14,),
        "src/core/conn.c",
        "if (c->traffic->is_reading) {",
        "if (0) {",
        ("tests/c/test_client_end.c::answers_that_come_in_a_loop_inside_an_answer_wait_for_their_turn",),
    ),
    # --- hostile replies ---
    Protection(
        "the cap on a reply, by its header",
        (5,),
        "src/core/reply.c",
        "if (announced > p->max_bulk) {",
        "if (0) {",
        (
            REPLY + "a_size_beyond_the_limit_is_refused_at_its_header",
            STREAM + "test_a_value_beyond_the_limit_is_refused_by_its_announcement",
        ),
    ),
    Protection(
        "the cap on an array's count",
        (5,),
        "src/core/reply.c",
        "if (count > NGR_REPLY_MAX_ELEMENTS)",
        "if (0)",
        (REPLY + "absurd_numbers_of_elements_are_refused_at_once",),
    ),
    Protection(
        "the cap on a line",
        (5,),
        "src/core/reply.c",
        "if (have > NGR_REPLY_MAX_LINE)",
        "if (have > 32 * NGR_REPLY_MAX_LINE)",
        (REPLY + "a_line_that_does_not_end_is_refused_before_it_fills_the_memory",),
    ),
    Protection(
        "a bulk string ends in CR LF",
        (5,),
        "src/core/reply.c",
        r"if (text[len] != '\r' || text[len + 1] != '\n')",
        "if (0)",
        (REPLY + "a_bulk_must_end_in_cr_lf",),
    ),
    Protection(
        "one element of an MGET for each key",
        (5,),
        "src/core/batch_read.c",
        "reply->type == NGR_REPLY_ARRAY && reply->count == part->count",
        "reply->type == NGR_REPLY_ARRAY",
        (READ + "answers_of_another_form_kill_the_connection",),
    ),
    # --- time ---
    Protection(
        "the time limit of silence",
        (7,),
        "src/core/conn.c",
        "if (!c->timer.is_on)\n            ngr__conn_start_timer(c, c->settings->socket_timeout);",
        "",
        (CONN_IO + "silence_is_an_error_after_the_socket_timeout",),
    ),
    Protection(
        "the time limit of connecting",
        (3, 7),
        "src/core/conn_open.c",
        "ngr__conn_start_timer(c, s->connect_timeout);",
        "",
        (CONNECT + "a_lookup_that_never_ends_is_given_up_in_time",),
    ),
    Protection(
        "the time limit of the handshake",
        (3,),
        "src/core/conn_open.c",
        "ngr__conn_enter(c, NGR_CONN_GREETING);",
        "ngr__conn_enter(c, NGR_CONN_GREETING);\n    c->loop->timer_off(c->loop->self, &c->timer);",
        (HANDSHAKE + "a_greeting_stalled_at_any_byte_ends_within_the_connect_timeout",),
    ),
    Protection(
        "only bytes are progress",
        (7,),
        "src/core/conn.c",
        "    advance(c, io.bytes);\n",
        "    advance(c, io.bytes);\n    c->last_progress = ngr__conn_now(c);\n",
        (CONN_IO + "asking_on_is_no_progress",),
    ),
    Protection(
        "the number of tries",
        (7, 11),
        "src/core/client.c",
        "|| call->failures > c->settings.retries)",
        "|| call->failures > c->settings.retries + 1)",
        (RETRY + "without_retries_there_is_one_try",),
    ),
    # --- the handshake ---
    Protection(
        "a refused handshake discards the connection",
        (3,),
        "src/core/conn_open.c",
        "take_refusal(c, c->own_steps[r->seen], reply);",
        "(void)take_refusal;",
        (HANDSHAKE + "a_refused_password_is_an_authentication_error", HANDSHAKE + "a_refused_database_is_told"),
    ),
    Protection(
        "the handshake comes before any request",
        (3,),
        "src/core/conn.c",
        "return c->state == NGR_CONN_READY && c->broken == NGR_OK &&",
        "return c->state >= NGR_CONN_GREETING && c->broken == NGR_OK &&",
        (HANDSHAKE + "a_question_that_comes_alone_waits_for_the_greeting_too",),
    ),
    Protection(
        "AUTH's error text is not quoted",
        (26,),
        "src/core/conn_open.c",
        "word = known_word(st, r);",
        "word = ((void)known_word, shown);",
        (HANDSHAKE + "a_server_that_repeats_the_password_is_not_quoted",),
    ),
    Protection(
        "the handshake's password is wiped",
        (26,),
        "src/core/conn.c",
        "ngr_wipe(c->own_bytes.data, c->own_bytes.len);",
        "(void)c;",
        (END + "the_password_is_forgotten_once_it_was_sent",),
    ),
    # --- retries ---
    Protection(
        "a sent delete is not repeated",
        (8,),
        "src/core/batch_exec.c",
        "new_exec(&remove_kind, false, sink, user)",
        "new_exec(&remove_kind, true, sink, user)",
        (
            RETRY + "a_removal_that_was_sent_is_not_repeated",
            STREAM + "test_a_delete_whose_answer_was_lost_raises_instead_of_lying",
        ),
    ),
    Protection(
        "one failure of a connection counts once",
        (8,),
        "src/core/client.c",
        "if (r->failures_before == call->failures)",
        "",
        (RETRY + "a_call_counts_one_lost_connection_once_however_many_requests_it_cost",),
    ),
    Protection(
        "a lost part is asked for from its start",
        (8,),
        "src/core/conn.c",
        "r->seen = 0;",
        "",
        (READ + "a_group_lost_in_the_middle_is_asked_from_the_start",),
    ),
    Protection(
        "one log line for a change of state",
        (27,),
        "src/core/client.c",
        "if (c->is_down == !up)",
        "if (0)",
        (RETRY + "one_line_is_logged_when_the_server_goes_and_one_when_it_is_back",),
    ),
    # --- writing ---
    Protection(
        "an EXEC that did nothing is an error",
        (8, 10),
        "src/core/batch_write.c",
        "return reply->type == NGR_REPLY_ARRAY && reply->count == g->entries ? NGR_OK : NGR_E_PROTOCOL;",
        "return NGR_OK;",
        (
            WRITE + "a_transaction_answered_with_another_form_is_not_taken_for_done",
            "tests/faults/test_fault_answers.py::test_a_transaction_that_the_server_gave_up_is_an_error",
        ),
    ),
    Protection(
        "an error inside EXEC is an error",
        (11,),
        "src/core/batch_write.c",
        "if (reply->type == NGR_REPLY_ERROR) {\n        ngr_call_refuse(",
        "if (reply->type == NGR_REPLY_ERROR) {\n        if (reply->depth == 0) ngr_call_refuse(",
        (WRITE + "an_error_within_a_transaction_is_told",),
    ),
    Protection(
        "the limit of a value's size",
        (23,),
        "src/core/batch_write.c",
        "if (g->body.len - put->value_at > put->options.max_value_bytes) {",
        "if (0) {",
        (WRITE + "a_value_too_large_is_refused_and_the_others_stay",),
    ),
    Protection(
        "the limit of one atomic step",
        (10,),
        "src/core/batch_write.c",
        "if (is_full && g->entries > 0 && !put->announced)",
        "if (0)",
        (WRITE + "a_batch_beyond_the_limit_becomes_several_groups_in_order",),
    ),
    Protection(
        "the rest of a growing batch follows its beginning",
        (10,),
        "src/core/conn.c",
        "c->partial = taken < left || r->is_open ? r : NULL;",
        "c->partial = taken < left ? r : NULL;",
        (GROWING + "what_was_taken_whole_is_followed_by_the_rest",),
    ),
    Protection(
        "a batch that breaks off takes its connection along",
        (10,),
        "src/core/client.c",
        "if (r->place == NGR_REQ_WRITTEN)\n        ngr_conn_abandon(r->holder);",
        "",
        (GROWING + "a_batch_that_breaks_off_costs_its_connection_and_nobody_elses_answer",),
    ),
    Protection(
        "only what is certain is sent while it is encoded",
        (23,),
        "src/ext/op_write.c",
        "        if (!is_certain(op->store, id, value, batch))\n            return false;",
        "        (void)is_certain(op->store, id, value, batch);",
        ("tests/storage/test_storage_streaming.py::test_a_batch_with_one_bad_entry_stores_nothing",),
    ),
    Protection(
        "the batch is encoded before it is sent",
        (23,),
        "src/ext/op_write.c",
        "        if (rc < 0)\n            return -1;\n        if (++entries",
        "        if (rc < 0) {\n            PyErr_Clear();\n            return 1;\n        }\n        if (++entries",
        (
            "tests/faults/test_fault_answers.py::"
            "test_a_batch_whose_last_value_cannot_be_stored_leaves_the_server_untouched",
        ),
    ),
    Protection(
        "the batch is copied before a value's code runs",
        (23,),
        "src/ext/op_write.c",
        "return PyDict_Copy(mapping);",
        "return Py_NewRef(mapping);",
        (REENTRY + "test_a_value_that_changes_the_callers_batch_changes_nothing_that_is_stored",),
    ),
    Protection(
        "two keys that JSON cannot tell apart are refused",
        (23,),
        "src/ext/convert_write.c",
        "if (other)\n        encode_fail(e,",
        "if (0)\n        encode_fail(e,",
        ("tests/codec/test_types.py::test_two_keys_that_json_cannot_tell_apart_are_refused_by_name",),
    ),
    Protection(
        "a walk begins anew after a loss",
        (22,),
        "src/core/batch_scan.c",
        "sc->must_restart = !was_first && troubles != sc->troubles;",
        "sc->must_restart = false;",
        (
            SCAN + "a_walk_begins_anew_when_its_connection_was_lost",
            "tests/faults/test_fault_walk.py::test_no_id_is_missed_when_the_server_is_started_anew_in_the_middle",
        ),
    ),
    Protection(
        "a container that changes size is refused",
        (23,),
        "src/ext/convert_write.c",
        "if (size_of(top->items, top->kind) == top->size)\n        return 0;",
        "return 0;",
        (
            REENTRY + "test_a_value_that_changes_its_own_container_is_refused_or_stored_whole",
            "tests/codec/test_user_code.py::test_a_dict_or_list_that_changes_size_meanwhile_is_an_error",
        ),
    ),
    Protection(
        "memory that is written into is nobody else's",
        (23,),
        "src/ext/bytes_buf.c",
        "    room->spare = NULL;\n",
        "",
        ("tests/codec/test_results.py::test_a_result_that_is_made_while_another_one_is_written_is_its_own",),
    ),
    Protection(
        "the depth limit of writing",
        (23,),
        "src/core/json_write.c",
        "if (w->depth == NGR_JSON_MAX_DEPTH)",
        "if (0)",
        ("tests/c/test_json_write.c::a_thousand_levels_pass_and_one_more_does_not",),
    ),
    # --- reading ---
    Protection(
        "a character that is cut off at the end of a block",
        (24,),
        "src/core/json_mixed_read.c",
        "bool is_ascii_here = !(v.high & known) && !pending;",
        "bool is_ascii_here = !(v.high & known) && !(pending & 0);",
        ("tests/c/test_json_blocks.c::a_wrong_byte_is_refused_at_any_place",),
    ),
    Protection(
        "an escape that is cut off at the end of a block",
        (24,),
        "src/core/json_mixed_read.c",
        "| (escaping & 1u << (BLOCK - 1))",
        "",
        ("tests/c/test_json_blocks.c::a_character_of_any_kind_may_stand_among_those_of_any_other",),
    ),
    Protection(
        "room behind a string that is decoded where it stays",
        (24,),
        "src/core/json_read.c",
        "#define LENT_SPARE 64",
        "#define LENT_SPARE 0",
        ("tests/c/test_json_blocks.c::a_character_of_any_kind_may_stand_among_those_of_any_other",),
    ),
    Protection(
        "the depth limit of reading",
        (24,),
        "src/core/json_read.c",
        "if (rd->depth == NGR_JSON_MAX_DEPTH)",
        "if (rd->depth == NGR_JSON_MAX_DEPTH + 1)",
        ("tests/c/test_json_read.c::a_thousand_levels_pass_and_one_more_is_refused",),
    ),
    Protection(
        "nil from MGET is looked at again",
        (24,),
        "src/core/batch_read.c",
        "if (part->mode == READ_MGET)\n        part->unclear",
        "if (0)\n        part->unclear",
        (
            READ + "a_key_of_another_type_is_an_error_that_names_it",
            "tests/faults/test_fault_answers.py::test_keys_of_other_types_are_errors_not_absences",
        ),
    ),
    Protection(
        "SCAN's repetitions are one id",
        (22,),
        "src/ext/op_command.c",
        "return PyDict_Keys(op->result);",
        "PyObject *k = PyDict_Keys(op->result); return k ? PySequence_InPlaceConcat(k, k) : NULL;",
        ("tests/contract/test_redis_keys.py::test_a_key_that_scan_repeats_is_named_once",),
    ),
    # --- other people's keys ---
    Protection(
        "the pattern's special characters are escaped",
        (21,),
        "src/core/batch_scan.c",
        'if (strchr("*?[]\\\\^", prefix.data[i])',
        'if (0 && strchr("*?[]\\\\^", prefix.data[i])',
        (SCAN + "characters_of_the_prefix_stand_for_themselves",),
    ),
    Protection(
        "a key is compared with the prefix",
        (21, 22),
        "src/core/batch_scan.c",
        "if (reply->len < sc->prefix.len || memcmp(reply->data, sc->prefix.data, sc->prefix.len) != 0)",
        "if (reply->len < sc->prefix.len)",
        (SCAN + "a_drop_never_touches_keys_outside_the_prefix", SCAN + "keys_outside_the_prefix_are_not_listed"),
    ),
    # --- back-pressure ---
    Protection(
        "the ceiling of requests on one connection",
        (9,),
        "src/core/conn.c",
        "c->requests < NGR_CONN_MAX_REQUESTS &&",
        "",
        (POOL + "a_full_connection_makes_the_others_wait_in_order",),
    ),
    Protection(
        "the ceiling of connections",
        (18,),
        "src/core/pool.c",
        "if (p->opening_count || p->conn_count >= p->settings->max_connections)",
        "if (p->opening_count)",
        (POOL + "heavy_work_opens_connections_one_at_a_time_up_to_the_limit",),
    ),
    Protection(
        "first come, first served",
        (9,),
        "src/core/pool.c",
        "if (ngr_list_is_empty(&p->waiting))\n        c =",
        "c =",
        (POOL + "room_that_a_cancel_makes_is_used",),
    ),
    Protection(
        "the breath between two writes",
        (6,),
        "src/core/conn.c",
        "*budget <= io.bytes ||",
        "",
        (CONN_IO + "writing_gives_way_to_the_loop_after_a_megabyte",),
    ),
    # --- loops and processes ---
    Protection(
        "the check of the process",
        (15,),
        "src/ext/conn_set.c",
        "fork_generation++;",
        "",
        (FORK + "test_a_child_sends_not_one_byte_on_an_inherited_connection",),
    ),
    Protection(
        "a child leaves the parent's event loop alone",
        (15,),
        "src/ext/conn_set.c",
        "set->glue.is_abandoned = true;\n    ngr_client_close",
        "ngr_client_close",
        (FORK + "test_the_parent_goes_on_after_its_child[uses it on a new loop]",),
    ),
    Protection(
        "connections belong to one event loop",
        (14,),
        "src/ext/conn_set.c",
        "compat_weakref_is(set->glue.loop_ref, loop);",
        "loop != NULL;",
        ("tests/life/test_life_loops.py::test_awaiting_the_storage_connects_on_the_loop_that_awaits",),
    ),
    Protection(
        "closed loops are let go of",
        (14,),
        "src/ext/conn_set.c",
        "bool is_stale = !closed || PyObject_IsTrue(closed) != 0;",
        "bool is_stale = !closed;",
        ("tests/life/test_life_loops.py::test_a_closed_loop_keeps_its_connections_until_somebody_looks",),
    ),
    Protection(
        "closing ends one storage's calls only",
        (17,),
        "src/ext/conn_set.c",
        "if (--set->users == 0 && may_close &&",
        "if ((--set->users, may_close) &&",
        ("tests/life/test_life_close.py::test_closing_one_of_two_leaves_the_calls_of_the_other",),
    ),
    Protection(
        "no descriptor for programs that are started",
        (15,),
        "src/core/transport.c",
        "|| fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {",
        ") {",
        (FORK + "test_a_descriptor_does_not_leak_into_a_program_that_is_started",),
    ),
    # --- TLS ---
    Protection(
        "the certificate must name the host",
        (16,),
        "src/core/tls.c",
        "return SSL_set1_host(ssl, host) == 1;",
        "return true;",
        ("tests/tls/test_tls_trust.py::test_a_certificate_for_another_host_is_refused",),
    ),
    Protection(
        "the certificate must name the address",
        (16,),
        "src/core/tls.c",
        "return !c->checks_host || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;",
        "return true;",
        ("tests/tls/test_tls_trust.py::test_a_certificate_for_another_host_is_refused",),
    ),
    Protection(
        "the chain of certificates is verified",
        (16,),
        "src/core/tls.c",
        "s->tls.verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE",
        "SSL_VERIFY_NONE",
        ("tests/tls/test_tls_trust.py::test_an_unknown_authority_is_refused",),
    ),
    Protection(
        "TLS 1.2 at least",
        (16,),
        "src/core/tls.c",
        "SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);",
        "SSL_CTX_set_min_proto_version(ssl, TLS1_VERSION);\n    SSL_CTX_set_security_level(ssl, 0);",
        ("tests/tls/test_tls_handshake.py::test_a_server_that_knows_nothing_newer_than_tls_1_1_is_refused",),
    ),
    Protection(
        "OpenSSL's queue of errors is emptied first",
        (16,),
        "src/core/tls.c",
        "ERR_clear_error();",
        "",
        ("tests/tls/test_tls_process.py::test_errors_of_others_are_never_taken_for_ours",),
        everywhere=True,
    ),
    Protection(
        "a password's memory is wiped before it is freed",
        (26,),
        "src/core/mem.c",
        "ngr_wipe(text, strlen(text));",
        "",
        ("tests/c/test_url.c::secrets_are_wiped_before_they_are_released",),
    ),
]
