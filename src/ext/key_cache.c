#include "key_cache.h"

#include <stdint.h>
#include <string.h>

static bool is_kept(const struct ngr_json_text *text)
{
    return text->max_char == 0x7f && text->chars && text->chars <= KEY_CACHE_LONGEST;
}

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

/* Eight bytes at a time; the last eight may overlap the ones before. The best bits are the high ones. */
static size_t slot_of(const char *data, size_t len)
{
    uint64_t hash = len, word = 0;
    if (len < 8) {
        for (size_t i = 0; i < len; i++)
            word = word << 8 | (uint8_t)data[i];
        return mix(hash, word) >> (64 - KEY_CACHE_BITS);
    }
    for (size_t i = 0; i + 8 < len; i += 8) {
        memcpy(&word, data + i, 8);
        hash = mix(hash, word);
    }
    memcpy(&word, data + len - 8, 8);
    return mix(hash, word) >> (64 - KEY_CACHE_BITS);
}

PyObject *key_cache_find(struct key_cache *cache, const struct ngr_json_text *text)
{
    if (!is_kept(text))
        return NULL;
    PyObject *key = cache->slots[slot_of(text->units, text->chars)];
    if (!key || (size_t)PyUnicode_GET_LENGTH(key) != text->chars ||
        memcmp(PyUnicode_1BYTE_DATA(key), text->units, text->chars) != 0)
        return NULL;
    return Py_NewRef(key);
}

void key_cache_keep(struct key_cache *cache, const struct ngr_json_text *text, PyObject *key)
{
    if (is_kept(text))
        Py_XSETREF(cache->slots[slot_of(text->units, text->chars)], Py_NewRef(key));
}

void key_cache_clear(struct key_cache *cache)
{
    for (size_t i = 0; i < KEY_CACHE_SLOTS; i++)
        Py_CLEAR(cache->slots[i]);
}
