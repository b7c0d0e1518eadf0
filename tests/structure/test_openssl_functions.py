"""Which functions of OpenSSL the core calls, and since when it has them: 1.1.1 has all, or they stand behind a guard.

Most machines that run this have OpenSSL 3, and a compiler there would not tell.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "src" / "core"
FILES = [file for file in sorted(CORE.glob("*.[ch]")) if "#include <openssl/" in file.read_text()]
OLDEST = "1.1.1"

SINCE = {  # the section HISTORY of the manual page; 1.0.2 stands for that or any time before
    "1.0.2": """
        BIO_ctrl_pending BIO_free BIO_get_mem_data BIO_new BIO_reset BIO_s_mem BIO_set_mem_eof_return BIO_write
        ERR_GET_LIB ERR_GET_REASON ERR_clear_error ERR_peek_error ERR_peek_last_error ERR_reason_error_string
        SSL_CTX_check_private_key SSL_CTX_free SSL_CTX_load_verify_locations SSL_CTX_new
        SSL_CTX_set_default_passwd_cb SSL_CTX_set_default_passwd_cb_userdata SSL_CTX_set_default_verify_paths
        SSL_CTX_set_mode SSL_CTX_set_session_cache_mode SSL_CTX_set_verify SSL_CTX_use_PrivateKey_file
        SSL_CTX_use_certificate_chain_file SSL_do_handshake SSL_free SSL_get0_param SSL_get_error
        SSL_get_verify_mode SSL_get_verify_result SSL_new SSL_peek SSL_pending SSL_read SSL_set_bio
        SSL_set_connect_state SSL_set_tlsext_host_name SSL_write
        X509_VERIFY_PARAM_set1_ip_asc X509_verify_cert_error_string
    """,
    "1.1.0": """
        OpenSSL_version SSL_CTX_set_min_proto_version SSL_set1_host SSL_set_hostflags TLS_client_method
    """,
}
VERSIONS = {name: since for since, names in SINCE.items() for name in names.split()}
A_CALL = re.compile(r"\b((?:ASN1|BIO|CRYPTO|ERR|EVP|OPENSSL|OSSL|OpenSSL|PEM|SSL|TLS|X509V?3?|d2i|i2d|sk)_\w+)\s*\(")
A_GUARD = re.compile(r"^\s*#\s*if\s+OPENSSL_VERSION_NUMBER\s*>=")


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def calls(text: str) -> list[tuple[str, bool]]:
    """The functions and macros with arguments that are called, each with whether a guard stands around it."""
    found = []
    guards: list[bool] = []  # of the open #if blocks: the part now read is for new versions only
    for line in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).splitlines():
        if re.match(r"\s*#\s*if", line):
            guards.append(bool(A_GUARD.match(line)))
        elif re.match(r"\s*#\s*el", line):
            guards[-1] = False
        elif re.match(r"\s*#\s*endif", line):
            guards.pop()
        found += [(name, any(guards)) for name in A_CALL.findall(line)]
    return found


def wrong_calls(text: str) -> list[str]:
    wrong = []
    for name, is_guarded in calls(text):
        since = VERSIONS.get(name)
        if since is None:
            wrong.append(f"{name} is not in SINCE: its manual page says which version brought it")
        elif number(since) > number(OLDEST) and not is_guarded:
            wrong.append(f"{name} came with OpenSSL {since}: #if OPENSSL_VERSION_NUMBER >= 0x30000000L, say")
    return wrong


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_called_is_in_the_oldest_version(file: Path) -> None:
    assert wrong_calls(file.read_text()) == []


def test_what_is_called_no_more_is_not_listed() -> None:
    called = {name for file in FILES for name, _ in calls(file.read_text())}
    assert set(VERSIONS) - called == set()


def test_a_function_that_is_not_listed_is_found() -> None:
    assert wrong_calls("    SSL_get1_peer_certificate(ssl);\n")


def test_a_newer_function_needs_a_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERSIONS, "SSL_get1_peer_certificate", "3.0.0")
    call = "SSL_get1_peer_certificate(ssl);\n"
    guard = "#if OPENSSL_VERSION_NUMBER >= 0x30000000L\n"
    assert wrong_calls(call)
    assert wrong_calls(f"#if HIREDIS_MAJOR >= 1\n{call}#endif\n")
    assert wrong_calls(f"{guard}#else\n{call}#endif\n")
    assert wrong_calls(f"{guard}#endif\n{call}")
    assert wrong_calls(f"{guard}{call}#else\n#endif\n") == []
    assert wrong_calls(f"{guard}#ifdef X\n{call}#endif\n#endif\n") == []


def test_a_call_in_a_comment_is_none() -> None:
    assert calls("/* as SSL_get1_peer_certificate(ssl)\n * SSL_x(y) does */ SSL_free(ssl);\n") == [("SSL_free", False)]
