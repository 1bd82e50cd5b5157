/* The object file around a program: what libbpf wants to find in an ELF file of BPF.
 *
 *   xdp     the instructions            .maps   32 bytes, the place of xsks_map
 *   .relxdp "at map_at, xsks_map"       .BTF    the type of xsks_map: its kind and sizes */
#include <elf.h>
#include <errno.h>
#include <linux/btf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dpdk_app/xdp.h"

#define QUEUES 64 /* entries of the map: queues of a NIC that may have a socket */
#define MAP_BYTES 32
#define R_BPF_64 1
#define MAP "xsks_map"
#define LICENSE "Dual BSD/GPL"

/* A table of strings, and the place of one in it. */
#define SECTION_NAMES "\0xdp\0.relxdp\0.maps\0license\0.BTF\0.symtab\0.strtab\0" XDP_NAME "\0" MAP
#define TYPE_NAMES "\0int\0type\0key_size\0value_size\0max_entries\0" MAP "\0.maps"
static const char section_names[] = SECTION_NAMES, type_names[] = TYPE_NAMES;

static uint32_t place(const char *table, size_t size, const char *name) {
  for (size_t at = 0; at < size; at += strlen(table + at) + 1)
    if (strcmp(table + at, name) == 0) return (uint32_t)at;
  return 0;
}
#define SECTION_NAME(name) place(section_names, sizeof section_names, name)
#define TYPE_NAME(name) place(type_names, sizeof type_names, name)

enum section { NONE, XDP, RELOCATIONS, MAPS, LICENSES, BTF, SYMBOLS, STRINGS, SECTIONS };

/* In BTF a number is the length of an array to which a member points. */
enum type { VOID, INT, KIND, KIND_PTR, FOUR, FOUR_PTR, MANY, MANY_PTR, STRUCT, VAR };

static uint32_t info(uint32_t kind, uint32_t cnt) { return kind << 24 | cnt; }

struct number {
  struct btf_type array;
  struct btf_array of;
  struct btf_type pointer;
};

static struct number number(enum type array, uint32_t n) {
  return (struct number){.array = {.info = info(BTF_KIND_ARRAY, 0)},
                         .of = {.type = INT, .index_type = INT, .nelems = n},
                         .pointer = {.info = info(BTF_KIND_PTR, 0), .type = array}};
}

struct types {
  struct btf_header head;
  struct btf_type integer;
  uint32_t bits;
  struct number kind, four, many;
  struct btf_type map;
  struct btf_member members[4];
  struct btf_type var;
  struct btf_var linkage;
  struct btf_type section;
  struct btf_var_secinfo in_section;
  char names[sizeof type_names];
};

static struct btf_member member(const char *name, enum type type, uint32_t idx) {
  return (struct btf_member){.name_off = TYPE_NAME(name), .type = type, .offset = 64 * idx};
}

static struct types make_types(void) {
  struct types t = {
      .head = {.magic = BTF_MAGIC,
               .version = BTF_VERSION,
               .hdr_len = sizeof t.head,
               .type_len = offsetof(struct types, names) - sizeof t.head,
               .str_off = offsetof(struct types, names) - sizeof t.head,
               .str_len = sizeof t.names},
      .integer = {.name_off = TYPE_NAME("int"), .info = info(BTF_KIND_INT, 0), .size = 4},
      .bits = BTF_INT_SIGNED << 24 | 32,
      .kind = number(KIND, BPF_MAP_TYPE_XSKMAP),
      .four = number(FOUR, 4),
      .many = number(MANY, QUEUES),
      .map = {.info = info(BTF_KIND_STRUCT, 4), .size = MAP_BYTES},
      .members = {member("type", KIND_PTR, 0), member("key_size", FOUR_PTR, 1),
                  member("value_size", FOUR_PTR, 2), member("max_entries", MANY_PTR, 3)},
      .var = {.name_off = TYPE_NAME(MAP), .info = info(BTF_KIND_VAR, 0), .type = STRUCT},
      .linkage = {BTF_VAR_GLOBAL_ALLOCATED},
      .section = {.name_off = TYPE_NAME(".maps"),
                  .info = info(BTF_KIND_DATASEC, 1),
                  .size = MAP_BYTES},
      .in_section = {.type = VAR, .size = MAP_BYTES},
  };
  memcpy(t.names, type_names, sizeof type_names);
  return t;
}

struct object {
  Elf64_Ehdr head;
  Elf64_Shdr sections[SECTIONS];
  struct bpf_insn insns[XDP_INSNS];
  Elf64_Rel relocation;
  uint64_t map[MAP_BYTES / 8];
  Elf64_Sym symbols[3];
  struct types types;
  char license[sizeof LICENSE];
  char names[sizeof section_names];
};

#define SECTION(member, section_name, section_type)                                                \
  (Elf64_Shdr) {                                                                                   \
    .sh_name = SECTION_NAME(section_name), .sh_type = (section_type),                              \
    .sh_offset = offsetof(struct object, member), .sh_size = sizeof(((struct object *)0)->member), \
    .sh_addralign = 1                                                                              \
  }

static void describe(struct object *o, const struct xdp_program *p) {
  Elf64_Shdr *s = o->sections;
  size_t code = (size_t)p->cnt * sizeof p->insns[0];
  s[XDP] = SECTION(insns, "xdp", SHT_PROGBITS);
  s[XDP].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  s[XDP].sh_size = code;
  s[XDP].sh_addralign = 8;
  s[RELOCATIONS] = SECTION(relocation, ".relxdp", SHT_REL);
  s[RELOCATIONS].sh_link = SYMBOLS;
  s[RELOCATIONS].sh_info = XDP;
  s[RELOCATIONS].sh_entsize = sizeof o->relocation;
  s[RELOCATIONS].sh_addralign = 8;
  s[MAPS] = SECTION(map, ".maps", SHT_PROGBITS);
  s[MAPS].sh_flags = SHF_ALLOC | SHF_WRITE;
  s[MAPS].sh_addralign = 8;
  s[LICENSES] = SECTION(license, "license", SHT_PROGBITS);
  s[LICENSES].sh_flags = SHF_ALLOC | SHF_WRITE;
  s[BTF] = SECTION(types, ".BTF", SHT_PROGBITS);
  s[BTF].sh_size = offsetof(struct types, names) + sizeof type_names; /* without padding */
  s[BTF].sh_addralign = 4;
  s[SYMBOLS] = SECTION(symbols, ".symtab", SHT_SYMTAB);
  s[SYMBOLS].sh_link = STRINGS;
  s[SYMBOLS].sh_info = 1; /* the first one that is not local */
  s[SYMBOLS].sh_entsize = sizeof o->symbols[0];
  s[SYMBOLS].sh_addralign = 8;
  s[STRINGS] = SECTION(names, ".strtab", SHT_STRTAB);
  o->symbols[1] = (Elf64_Sym){.st_name = SECTION_NAME(XDP_NAME),
                              .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                              .st_shndx = XDP,
                              .st_size = code};
  o->symbols[2] = (Elf64_Sym){.st_name = SECTION_NAME(MAP),
                              .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                              .st_shndx = MAPS,
                              .st_size = MAP_BYTES};
}

int xdp_object(const struct xdp_program *p) {
  struct object o = {
      .head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
               .e_type = ET_REL,
               .e_machine = EM_BPF,
               .e_version = EV_CURRENT,
               .e_shoff = offsetof(struct object, sections),
               .e_ehsize = sizeof o.head,
               .e_shentsize = sizeof o.sections[0],
               .e_shnum = SECTIONS,
               .e_shstrndx = STRINGS},
      .relocation = {.r_offset = (Elf64_Addr)p->map_at * sizeof p->insns[0],
                     .r_info = ELF64_R_INFO(2, R_BPF_64)},
      .types = make_types(),
      .license = LICENSE};
  memcpy(o.insns, p->insns, sizeof o.insns);
  memcpy(o.names, section_names, sizeof section_names);
  describe(&o, p);
  int fd = memfd_create("zabline-xdp", MFD_CLOEXEC);
  if (fd < 0 || write(fd, &o, sizeof o) == (ssize_t)sizeof o) return fd;
  close(fd);
  return -1;
}
