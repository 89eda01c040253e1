import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.security.encryption import DecryptionError, FieldCipher, decode_key

INDEX_KEY = b"i" * 32
OLD, NEW = b"o" * 32, b"n" * 32


def cipher(**keys: bytes) -> FieldCipher:
    return FieldCipher(keys, INDEX_KEY)


@given(st.text(max_size=300))
def test_decrypting_returns_the_encrypted_text(text: str) -> None:
    field_cipher = cipher(k1=OLD)
    assert field_cipher.decrypt(field_cipher.encrypt(text, "customers.email"), "customers.email") == text


def test_the_same_text_has_different_ciphertexts() -> None:
    field_cipher = cipher(k1=OLD)
    assert field_cipher.encrypt("a@x.com", "c") != field_cipher.encrypt("a@x.com", "c")


def test_a_ciphertext_of_another_column_is_rejected() -> None:
    field_cipher = cipher(k1=OLD)
    with pytest.raises(DecryptionError):
        field_cipher.decrypt(field_cipher.encrypt("a@x.com", "customers.email"), "customers.phone")


@pytest.mark.parametrize("garbage", [b"", b"\x01", b"plain text that was never encrypted", b"\x01\x02k1" + b"0" * 28])
def test_bytes_that_are_no_ciphertext_are_rejected(garbage: bytes) -> None:
    with pytest.raises(DecryptionError):
        cipher(k1=OLD).decrypt(garbage, "c")


def test_the_new_key_encrypts_and_the_old_one_still_decrypts() -> None:
    before = cipher(k1=OLD).encrypt("text", "c")
    rotated = cipher(k2=NEW, k1=OLD)
    assert rotated.decrypt(before, "c") == "text"
    assert FieldCipher.key_id(rotated.encrypt("text", "c")) == "k2"


def test_a_removed_key_decrypts_nothing() -> None:
    with pytest.raises(DecryptionError):
        cipher(k2=NEW).decrypt(cipher(k1=OLD).encrypt("text", "c"), "c")


def test_equal_values_share_a_blind_index_and_keys_separate_them() -> None:
    assert cipher(k1=OLD).blind("a@x.com") == cipher(k2=NEW).blind("a@x.com")
    assert cipher(k1=OLD).blind("a@x.com") != FieldCipher({"k1": OLD}, b"j" * 32).blind("a@x.com")


def test_index_and_next_index_differ_only_with_two_index_keys() -> None:
    old, both, new = (
        FieldCipher({"1": OLD}, b"i" * 32),
        FieldCipher({"1": OLD}, b"j" * 32, b"i" * 32),
        FieldCipher({"1": OLD}, b"j" * 32),
    )
    before, between, after = (cipher.index("a@x.com", "customers.email") for cipher in (old, both, new))
    assert set(before) == {"email_index", "email_index_next"}
    assert before["email_index"] == before["email_index_next"] == between["email_index"]
    assert after["email_index"] == after["email_index_next"] == between["email_index_next"]
    assert between["email_index"] != between["email_index_next"]


def test_the_index_of_a_row_without_text_is_unique() -> None:
    field_cipher = cipher(k1=OLD)
    indexes = [field_cipher.index_of_nothing(row, "c.email")["email_index"] for row in (1, 2)]
    assert len({*indexes, *(field_cipher.index(text, "c.email")["email_index"] for text in ("", "1", "2"))}) == 5


def test_three_index_keys_are_rejected() -> None:
    with pytest.raises(ValueError, match="two index keys"):
        FieldCipher.parse(f"1:{'A' * 43}=", ",".join([f"{'A' * 43}="] * 3))


@pytest.mark.parametrize("text", ["", "not base64!", "c2hvcnQ="])
def test_a_key_must_be_32_bytes_of_base64(text: str) -> None:
    with pytest.raises(ValueError, match="a key must"):
        decode_key(text)
