/* json.c -- see json.h.
 *
 * Every node has a Place, found by the node's address in a hash table; a second
 * table finds the member of an object by its key, which detects duplicate keys
 * and makes gf_json_find O(1) on vocabularies too.  Both tables hold numbers of
 * places plus one, 0 being free, with open addressing; nothing is ever deleted.
 */
#include "frontend/graph/json.h"

#include "frontend/graph/json_scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A text that nodes come from: the file, or a `--set`. */
typedef struct Origin {
    const char *name;
    const char *text;
    const size_t *lines; /* offset of each line's first byte */
    size_t line_count;
} Origin;

typedef struct Place {
    const cJSON *node;
    const cJSON *object; /* whose member the node is, or NULL */
    const Origin *origin;
    size_t value;
    size_t key;
} Place;

struct GfJsonIndex {
    Place *places;
    size_t count;
    size_t capacity;
    uint32_t *by_node;
    uint32_t *by_key;
    size_t slots; /* of each table, a power of two, at least twice `count` */
};

enum { CHUNK = 16384 };

/* ---- index ---- */

static size_t mix(size_t hash)
{
    hash *= (size_t)0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static size_t hash_key(const cJSON *object, const char *key)
{
    size_t hash = (size_t)(uintptr_t)object;

    for (const char *p = key; *p; p++)
        hash = mix(hash ^ (unsigned char)*p);
    return mix(hash);
}

/* The slot that holds the node, or the free one where it belongs. */
static uint32_t *node_slot(const GfJsonIndex *index, const cJSON *node)
{
    size_t slot = mix((size_t)(uintptr_t)node) & (index->slots - 1);

    while (index->by_node[slot] && index->places[index->by_node[slot] - 1].node != node)
        slot = (slot + 1) & (index->slots - 1);
    return &index->by_node[slot];
}

static uint32_t *key_slot(const GfJsonIndex *index, const cJSON *object, const char *key)
{
    size_t slot = hash_key(object, key) & (index->slots - 1);

    for (; index->by_key[slot]; slot = (slot + 1) & (index->slots - 1)) {
        const Place *p = &index->places[index->by_key[slot] - 1];
        if (p->object == object && strcmp(p->node->string, key) == 0)
            break;
    }
    return &index->by_key[slot];
}

static const Place *place_of(const GfJson *doc, const cJSON *node)
{
    if (!doc->index || !node)
        return NULL;
    uint32_t number = *node_slot(doc->index, node);
    return number ? &doc->index->places[number - 1] : NULL;
}

/* Make the tables larger; the places keep their numbers. */
static bool rehash(GfArena *arena, GfJsonIndex *index, size_t slots)
{
    index->by_node = GF_NEW_ARRAY(arena, uint32_t, slots);
    index->by_key = GF_NEW_ARRAY(arena, uint32_t, slots);
    if (!index->by_node || !index->by_key)
        return false;
    index->slots = slots;
    for (uint32_t i = 0; i < index->count; i++) {
        const Place *p = &index->places[i];
        *node_slot(index, p->node) = i + 1;
        if (p->object)
            *key_slot(index, p->object, p->node->string) = i + 1;
    }
    return true;
}

/* Room for `more` places. */
static bool reserve(GfArena *arena, GfJsonIndex *index, size_t more)
{
    size_t wanted = index->count + more, slots = index->slots ? index->slots : 16;

    if (wanted > UINT32_MAX / 4)
        return false;
    if (wanted > index->capacity) {
        size_t capacity = wanted + index->capacity;
        Place *places = GF_NEW_ARRAY(arena, Place, capacity);
        if (!places)
            return false;
        if (index->count)
            memcpy(places, index->places, index->count * sizeof *places);
        index->places = places;
        index->capacity = capacity;
    }
    while (slots < 2 * wanted)
        slots *= 2;
    return slots == index->slots || rehash(arena, index, slots);
}

/* Enter a node's place; reserve() has made room. */
static void add_place(GfJsonIndex *index, Place place)
{
    index->places[index->count++] = place;
    *node_slot(index, place.node) = (uint32_t)index->count;
    if (place.object)
        *key_slot(index, place.object, place.node->string) = (uint32_t)index->count;
}

const cJSON *gf_json_find(const GfJson *doc, const cJSON *object, const char *key)
{
    if (!doc->index || !cJSON_IsObject(object))
        return NULL;
    uint32_t number = *key_slot(doc->index, object, key);
    return number ? doc->index->places[number - 1].node : NULL;
}

/* ---- places ---- */

static size_t line_of(const Origin *origin, size_t offset)
{
    size_t low = 0, high = origin->line_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (origin->lines[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static GfLoc loc_in(const Origin *origin, size_t offset)
{
    size_t line = line_of(origin, offset);

    return (GfLoc){.file = origin->name,
                   .source = origin->text,
                   .line = (uint32_t)line + 1,
                   .column = (uint32_t)(offset - origin->lines[line]) + 1};
}

GfLoc gf_json_loc(const GfJson *doc, const cJSON *node)
{
    const Place *p = place_of(doc, node);

    if (!p)
        p = place_of(doc, doc->root);
    return p ? loc_in(p->origin, p->value) : GF_NOWHERE;
}

GfLoc gf_json_key_loc(const GfJson *doc, const cJSON *node)
{
    const Place *p = place_of(doc, node);

    return p && p->key != GF_JSON_NO_KEY ? loc_in(p->origin, p->key) : gf_json_loc(doc, node);
}

const char *gf_json_text(const GfJson *doc, const cJSON *node)
{
    const Place *p = place_of(doc, node);

    return p ? p->origin->text + p->value : NULL;
}

static bool split_lines(GfArena *arena, Origin *origin, size_t length)
{
    size_t count = 1, line = 1;

    for (size_t i = 0; i < length; i++)
        count += origin->text[i] == '\n';
    size_t *lines = GF_NEW_ARRAY(arena, size_t, count);
    if (!lines)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (origin->text[i] == '\n')
            lines[line++] = i + 1;
    }
    origin->lines = lines;
    origin->line_count = count;
    return true;
}

/* An origin in the document's arena; `text` lives there already. */
static const Origin *new_origin(GfJson *doc, const char *name, const char *text, size_t length)
{
    Origin *origin = GF_NEW(&doc->arena, Origin);

    if (!origin)
        return NULL;
    origin->name = gf_arena_strdup(&doc->arena, name);
    origin->text = text;
    return origin->name && split_lines(&doc->arena, origin, length) ? origin : NULL;
}

/* ---- reading ---- */

/* The walk that gives each node of cJSON's tree its offset. */
typedef struct Attach {
    GfJsonIndex *index;
    const Origin *origin;
    const GfJsonOffset *offsets;
    size_t base; /* where the scanned text begins in the origin's */
    size_t count;
    size_t next;
    GfDiags *diags;
} Attach;

static GfStatus check_duplicate(const Attach *a, const Place *place)
{
    uint32_t number = *key_slot(a->index, place->object, place->node->string);
    if (!number)
        return GF_OK;
    const Place *first = &a->index->places[number - 1];
    GfStatus status = gf_fail(a->diags, loc_in(place->origin, place->key), GF_ERR_KEY,
                              "key '%s' stands twice in this object", place->node->string);
    gf_note(a->diags, "first on line %u", loc_in(first->origin, first->key).line);
    return status;
}

/* cJSON's order is the scanner's: a node, then its members as written.  Depth is
 * bounded by the scanner. */
static GfStatus attach(Attach *a, const cJSON *node, const cJSON *object)
{
    if (a->next == a->count)
        return gf_fail(a->diags, loc_in(a->origin, a->base), GF_ERR_SYNTAX, "cJSON reads this text differently");
    const GfJsonOffset *offset = &a->offsets[a->next++];
    bool keyed = offset->key != GF_JSON_NO_KEY;
    Place place = {.node = node, .object = object, .origin = a->origin, .value = a->base + offset->value};

    place.key = keyed ? a->base + offset->key : GF_JSON_NO_KEY;
    if (cJSON_IsNumber(node) && !isfinite(node->valuedouble))
        return gf_fail(a->diags, loc_in(a->origin, place.value), GF_ERR_VALUE, "a number beyond the range of a double");
    if (object)
        GF_TRY(check_duplicate(a, &place));
    add_place(a->index, place);
    for (const cJSON *child = node->child; child; child = child->next)
        GF_TRY(attach(a, child, cJSON_IsObject(node) ? node : NULL));
    return GF_OK;
}

/* Build and place the tree of a scanned text, which lies at `base` in the origin.
 * On error *out may hold a tree, which is the caller's. */
static GfStatus build(GfJson *doc, const Origin *origin, size_t base, size_t length, const GfJsonOffsets *offsets,
                      cJSON **out, GfDiags *diags)
{
    Attach a = {.index = doc->index,
                .origin = origin,
                .offsets = offsets->items,
                .base = base,
                .count = offsets->count,
                .diags = diags};

    if (!reserve(&doc->arena, doc->index, offsets->count))
        return gf_fail_memory(diags);
    /* The scanner has accepted the text, so that only memory can be missing here.  A byte
     * order mark is skipped here, since cJSON misses it before a value of one character. */
    size_t skip = length > 3 && strncmp(origin->text + base, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    *out = cJSON_ParseWithLength(origin->text + base + skip, length - skip);
    if (!*out)
        return gf_fail_memory(diags);
    return attach(&a, *out, NULL);
}

static void open_document(GfJson *doc, GfDiags *diags)
{
    *doc = (GfJson){0};
    gf_arena_init(&doc->arena, diags ? diags->arena.allocator : NULL);
}

/* Read the document from a NUL-terminated text in its own arena. */
static GfStatus read_own_text(GfJson *doc, const char *name, const char *text, size_t length, GfArena *scratch,
                              GfDiags *diags)
{
    GfJsonOffsets offsets = {.arena = scratch};

    GF_TRY(gf_json_scan(name, text, length, &offsets, diags));
    const Origin *origin = new_origin(doc, name, text, length);
    doc->index = GF_NEW(&doc->arena, GfJsonIndex);
    doc->removed = cJSON_CreateArray();
    if (!origin || !doc->index || !doc->removed)
        return gf_fail_memory(diags);
    return build(doc, origin, 0, length, &offsets, &doc->root, diags);
}

/* read_own_text with a scratch arena; closes the document on error. */
static GfStatus finish_read(GfJson *doc, const char *name, const char *text, size_t length, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, doc->arena.allocator);
    GfStatus status = read_own_text(doc, name, text, length, &scratch, diags);
    gf_arena_free(&scratch);
    if (status != GF_OK)
        gf_json_close(doc);
    return status;
}

GfStatus gf_json_read_text(GfJson *doc, const char *name, const char *text, size_t length, GfDiags *diags)
{
    open_document(doc, diags);
    const char *copy = gf_arena_strndup(&doc->arena, text, length);
    if (!copy) {
        gf_json_close(doc);
        return gf_fail_memory(diags);
    }
    return finish_read(doc, name, copy, length, diags);
}

/* In pieces, since a pipe has no size to ask for. */
static GfStatus read_stream(FILE *file, const char *path, GfText *text, GfDiags *diags)
{
    char chunk[CHUNK];
    size_t got;

    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        gf_text_add_bytes(text, chunk, got);
    if (ferror(file))
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot be read: %s", strerror(errno));
    return text->arena->failed ? gf_fail_memory(diags) : GF_OK;
}

GfStatus gf_json_read_file(GfJson *doc, const char *path, GfDiags *diags)
{
    open_document(doc, diags);
    FILE *file = fopen(path, "rb");
    if (!file)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot be opened: %s", strerror(errno));
    GfText text = {.arena = &doc->arena};
    GfStatus status = read_stream(file, path, &text, diags);
    fclose(file);
    if (status != GF_OK) {
        gf_json_close(doc);
        return status;
    }
    return finish_read(doc, path, gf_text_str(&text), text.length, diags);
}

void gf_json_close(GfJson *doc)
{
    cJSON_Delete(doc->root);
    cJSON_Delete(doc->removed);
    gf_arena_free(&doc->arena);
    doc->root = doc->removed = NULL;
    doc->index = NULL;
}

/* ---- setting ---- */

/* One `--set path=value`; offset and segment move along the path. */
typedef struct Setting {
    GfJson *doc;
    const Origin *origin;
    size_t path;   /* where the path begins in the origin's text */
    size_t offset; /* where the segment does */
    char *segment;
    bool last;
    GfDiags *diags;
} Setting;

static const char set_prefix[] = "--set ";

static GfStatus next_segment(Setting *s)
{
    const char *begin = s->origin->text + s->offset;
    size_t length = strcspn(begin, ".=");

    if (length == 0)
        return gf_fail(s->diags, loc_in(s->origin, s->offset), GF_ERR_USAGE, "an empty key in the path");
    s->segment = gf_arena_strndup(&s->doc->arena, begin, length);
    s->last = begin[length] == '=';
    return s->segment ? GF_OK : gf_fail_memory(s->diags);
}

/* The member that the segment names in `at`; NULL in *out if an object lacks it. */
static GfStatus find_segment(const Setting *s, cJSON *at, cJSON **out)
{
    *out = NULL;
    if (cJSON_IsObject(at)) {
        *out = cJSON_GetObjectItemCaseSensitive(at, s->segment);
        return GF_OK;
    }
    GfLoc loc = loc_in(s->origin, s->offset);
    if (!cJSON_IsArray(at)) {
        int before = s->offset > s->path ? (int)(s->offset - s->path - 1) : 0;
        return gf_fail(s->diags, loc, GF_ERR_VALUE, "'%s' cannot be set: '%.*s' is %s, not an object", s->segment,
                       before, s->origin->text + s->path, gf_json_type_name(at));
    }
    int size = cJSON_GetArraySize(at);
    char *end;
    long item = strtol(s->segment, &end, 10);
    if (*end || item < 0 || item >= size)
        return gf_fail(s->diags, loc, GF_ERR_VALUE, "'%s' is not the index of an item: the array has %d", s->segment,
                       size);
    *out = cJSON_GetArrayItem(at, (int)item);
    return GF_OK;
}

static void discard(GfJson *doc, cJSON *node)
{
    cJSON_AddItemToArray(doc->removed, node); /* allocates nothing */
}

/* A removed node stays in by_node, but no longer answers to its key. */
static void forget_key(GfJsonIndex *index, const cJSON *node)
{
    index->places[*node_slot(index, node) - 1].object = NULL;
}

/* Give `node`, already placed, its position as member of `object`. */
static void index_member(Setting *s, const cJSON *object, const cJSON *node)
{
    GfJsonIndex *index = s->doc->index;
    uint32_t number = *node_slot(index, node);
    Place *p = &index->places[number - 1];

    p->object = object;
    p->key = s->offset;
    *key_slot(index, object, node->string) = number;
}

/* Put `node` in the place of an array's item.  Append, then move what stood behind
 * to the end: cJSON_InsertItemInArray of Debian's 1.7.15 fails in the middle. */
static void replace_item(GfJson *doc, cJSON *array, int item, cJSON *node)
{
    discard(doc, cJSON_DetachItemFromArray(array, item));
    int behind = cJSON_GetArraySize(array) - item;
    cJSON_AddItemToArray(array, node);
    for (int i = 0; i < behind; i++)
        cJSON_AddItemToArray(array, cJSON_DetachItemFromArray(array, item));
}

/* Put `node` under the segment's key or index, in the place of `old` if there is one. */
static GfStatus put(Setting *s, cJSON *at, cJSON *old, cJSON *node)
{
    if (cJSON_IsArray(at)) {
        replace_item(s->doc, at, (int)strtol(s->segment, NULL, 10), node);
        return GF_OK;
    }
    if (!cJSON_AddItemToObject(at, s->segment, node)) {
        discard(s->doc, node);
        return gf_fail_memory(s->diags);
    }
    if (old) {
        forget_key(s->doc->index, old);
        discard(s->doc, cJSON_DetachItemViaPointer(at, old));
    }
    index_member(s, at, node);
    return GF_OK;
}

/* Make the object that the path goes through. */
static GfStatus make_object(Setting *s, cJSON *at, cJSON **out)
{
    if (!reserve(&s->doc->arena, s->doc->index, 1))
        return gf_fail_memory(s->diags);
    *out = cJSON_CreateObject();
    if (!*out)
        return gf_fail_memory(s->diags);
    add_place(s->doc->index, (Place){.node = *out, .origin = s->origin, .value = s->offset, .key = s->offset});
    return put(s, at, NULL, *out);
}

/* The value as JSON, or as the string it is. */
static GfStatus make_value(Setting *s, size_t base, size_t length, GfArena *scratch, cJSON **out)
{
    GfJsonOffsets offsets = {.arena = scratch};
    const char *text = s->origin->text + base;

    GfStatus status = gf_json_scan(s->origin->name, text, length, &offsets, NULL);
    if (status == GF_OK)
        return build(s->doc, s->origin, base, length, &offsets, out, s->diags);
    if (status == GF_ERR_MEMORY || !reserve(&s->doc->arena, s->doc->index, 1))
        return gf_fail_memory(s->diags);
    *out = cJSON_CreateString(text);
    if (!*out)
        return gf_fail_memory(s->diags);
    add_place(s->doc->index, (Place){.node = *out, .origin = s->origin, .value = base, .key = GF_JSON_NO_KEY});
    return GF_OK;
}

/* Walk down to the object or array that holds the last segment, making what is missing. */
static GfStatus walk_path(Setting *s, cJSON **at, cJSON **old)
{
    for (;;) {
        GF_TRY(next_segment(s));
        GF_TRY(find_segment(s, *at, old));
        if (s->last)
            return GF_OK;
        if (!*old)
            GF_TRY(make_object(s, *at, old));
        *at = *old;
        s->offset += strlen(s->segment) + 1;
    }
}

static GfStatus set_value(Setting *s, size_t base, size_t length, GfArena *scratch)
{
    cJSON *value = NULL, *at = s->doc->root, *old;

    GfStatus status = make_value(s, base, length, scratch, &value);
    if (status == GF_OK)
        status = walk_path(s, &at, &old);
    if (status == GF_OK)
        return put(s, at, old, value);
    if (value)
        discard(s->doc, value);
    return status;
}

GfStatus gf_json_set(GfJson *doc, const char *path, const char *value, GfDiags *diags)
{
    size_t base = strlen(set_prefix) + strlen(path) + 1, length = strlen(value);
    const char *text = gf_arena_printf(&doc->arena, "%s%s=%s", set_prefix, path, value);
    const Origin *origin = text ? new_origin(doc, text, text, base + length) : NULL;
    if (!origin)
        return gf_fail_memory(diags);
    if (strchr(path, '='))
        return gf_fail(diags, (GfLoc){.file = text}, GF_ERR_USAGE, "'=' in the path of a key");
    GfArena scratch;
    gf_arena_init(&scratch, doc->arena.allocator);
    Setting s = {
        .doc = doc, .origin = origin, .path = strlen(set_prefix), .offset = strlen(set_prefix), .diags = diags};
    GfStatus status = set_value(&s, base, length, &scratch);
    gf_arena_free(&scratch);
    return status;
}
