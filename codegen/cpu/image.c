/* image.c -- see image.h.
 *
 *   object                          block
 *   .text       code                code                 at 0
 *   .rela.text  place, symbol, +n   (resolved)
 *   .rodata...  constants           constants            each at its alignment
 *
 * A reference of the kernels is the distance from the place where it stands to what
 * it names (R_X86_64_PC32: symbol + addend - place), which the layout fixes once and
 * for all.  Nothing else is accepted, so nothing is left to do when the block is loaded.
 * Source: System V ABI, AMD64 Architecture Processor Supplement, 4.4.1.
 */
#include "codegen/cpu/image.h"

#include <elf.h>
#include <string.h>

typedef struct Image {
    const unsigned char *object;
    size_t object_size;
    const Elf64_Ehdr *head;
    const Elf64_Shdr *sections;
    uint64_t *places; /* of each section in the block */
    unsigned char *code;
    uint64_t size;
    GfProgram *program;
    GfDiags *diags;
} Image;

#define FAIL(m, ...) gf_fail((m)->diags, GF_NOWHERE, GF_ERR_COMPILE, __VA_ARGS__)

/* ---- the object ------------------------------------------------------------------------- */

static GfStatus check_object(Image *m)
{
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)m->object;

    if (m->object_size < sizeof *h || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_machine != EM_X86_64 ||
        h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_shoff > m->object_size ||
        h->e_shnum > (m->object_size - h->e_shoff) / sizeof *m->sections)
        return FAIL(m, "code that needs no linking can be made for x86-64 alone; this is no x86-64 object");
    m->head = h;
    m->sections = (const Elf64_Shdr *)(m->object + h->e_shoff);
    return GF_OK;
}

static const char *section_name(const Image *m, const Elf64_Shdr *s)
{
    return (const char *)m->object + m->sections[m->head->e_shstrndx].sh_offset + s->sh_name;
}

static const Elf64_Shdr *find_section(const Image *m, uint32_t type)
{
    for (uint32_t i = 0; i < m->head->e_shnum; i++)
        if (m->sections[i].sh_type == type)
            return &m->sections[i];
    return NULL;
}

/* Code and constants; tables for unwinding are of no use to anyone. */
static bool is_wanted(const Elf64_Shdr *s)
{
    return (s->sh_flags & SHF_ALLOC) && s->sh_type != SHT_X86_64_UNWIND && s->sh_size > 0;
}

/* ---- layout ------------------------------------------------------------------------------- */

static GfStatus place_sections(Image *m)
{
    for (uint32_t i = 0; i < m->head->e_shnum; i++) {
        const Elf64_Shdr *s = &m->sections[i];
        uint64_t unit = s->sh_addralign ? s->sh_addralign : 1;
        if (!is_wanted(s))
            continue;
        if ((s->sh_flags & (SHF_WRITE | SHF_TLS)) || s->sh_type != SHT_PROGBITS)
            return FAIL(m, "the kernels have data that is written, in '%s'", section_name(m, s));
        m->places[i] = (m->size + unit - 1) / unit * unit;
        m->size = m->places[i] + s->sh_size;
    }
    return GF_OK;
}

static GfStatus copy_sections(Image *m)
{
    m->code = gf_arena_array(&m->program->arena, m->size + 1, 1);
    if (!m->code)
        return gf_fail_memory(m->diags);
    for (uint32_t i = 0; i < m->head->e_shnum; i++)
        if (is_wanted(&m->sections[i]))
            memcpy(m->code + m->places[i], m->object + m->sections[i].sh_offset, m->sections[i].sh_size);
    return GF_OK;
}

/* ---- references ----------------------------------------------------------------------------- */

static const Elf64_Sym *symbols_of(const Image *m, const Elf64_Shdr *table)
{
    return (const Elf64_Sym *)(m->object + table->sh_offset);
}

static const char *symbol_name(const Image *m, const Elf64_Shdr *table, const Elf64_Sym *symbol)
{
    return (const char *)m->object + m->sections[table->sh_link].sh_offset + symbol->st_name;
}

static bool is_placed(const Image *m, const Elf64_Sym *symbol)
{
    return symbol->st_shndx > SHN_UNDEF && symbol->st_shndx < m->head->e_shnum &&
           is_wanted(&m->sections[symbol->st_shndx]);
}

static GfStatus resolve(Image *m, const Elf64_Shdr *relocations, const Elf64_Rela *r)
{
    const Elf64_Shdr *table = &m->sections[relocations->sh_link];
    const Elf64_Sym *symbol = &symbols_of(m, table)[ELF64_R_SYM(r->r_info)];
    uint64_t place = m->places[relocations->sh_info] + r->r_offset, type = ELF64_R_TYPE(r->r_info);

    if (!is_placed(m, symbol))
        return FAIL(m, "the kernels need '%s' of the outside, which code that needs no linking cannot have",
                    symbol_name(m, table, symbol));
    if (type != R_X86_64_PC32 && type != R_X86_64_PLT32)
        return FAIL(m, "the kernels refer to '%s' by a relocation of type %llu, not by distance",
                    symbol_name(m, table, symbol), (unsigned long long)type);
    int64_t distance = (int64_t)(m->places[symbol->st_shndx] + symbol->st_value) + r->r_addend - (int64_t)place;
    if (distance != (int32_t)distance)
        return FAIL(m, "the kernels are too large for references of 32 bits");
    int32_t word = (int32_t)distance;
    memcpy(m->code + place, &word, sizeof word);
    return GF_OK;
}

static GfStatus resolve_all(Image *m)
{
    for (uint32_t i = 0; i < m->head->e_shnum; i++) {
        const Elf64_Shdr *s = &m->sections[i];
        if (s->sh_type != SHT_RELA || !is_wanted(&m->sections[s->sh_info]))
            continue;
        const Elf64_Rela *r = (const Elf64_Rela *)(m->object + s->sh_offset);
        for (uint64_t k = 0; k < s->sh_size / sizeof *r; k++)
            GF_TRY(resolve(m, s, &r[k]));
    }
    return GF_OK;
}

/* ---- kernels ---------------------------------------------------------------------------------- */

static GfStatus find_kernel(Image *m, const Elf64_Shdr *table, GfKernel *k)
{
    const Elf64_Sym *symbols = symbols_of(m, table);

    for (uint64_t i = 0; i < table->sh_size / sizeof *symbols; i++) {
        if (!is_placed(m, &symbols[i]) || strcmp(symbol_name(m, table, &symbols[i]), k->name) != 0)
            continue;
        k->code_at = m->places[symbols[i].st_shndx] + symbols[i].st_value;
        return GF_OK;
    }
    return FAIL(m, "the compiled kernel '%s' cannot be found", k->name);
}

static GfStatus find_kernels(Image *m)
{
    const Elf64_Shdr *table = find_section(m, SHT_SYMTAB);

    for (uint32_t i = 0; i < m->program->kernel_count; i++) {
        if (!table)
            return FAIL(m, "the compiled kernels have no names");
        GF_TRY(find_kernel(m, table, &m->program->kernels[i]));
    }
    return GF_OK;
}

static GfStatus make(Image *m, GfArena *scratch)
{
    GF_TRY(check_object(m));
    m->places = GF_NEW_ARRAY(scratch, uint64_t, m->head->e_shnum);
    if (!m->places)
        return gf_fail_memory(m->diags);
    GF_TRY(place_sections(m));
    GF_TRY(copy_sections(m));
    GF_TRY(resolve_all(m));
    GF_TRY(find_kernels(m));
    m->program->code = m->code;
    m->program->code_size = m->size;
    return GF_OK;
}

GfStatus cpu_image_make(const void *object, size_t size, GfProgram *program, GfDiags *diags)
{
    Image m = {.object = object, .object_size = size, .program = program, .diags = diags};
    GfArena scratch;

    gf_arena_init(&scratch, program->arena.allocator);
    GfStatus status = make(&m, &scratch);
    gf_arena_free(&scratch);
    return status;
}
