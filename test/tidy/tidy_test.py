#!/usr/bin/python3
"""Tests of the checks themselves: each is seen to report, and not to report."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scan  # noqa: E402
import tidy  # noqa: E402


def only(text):
    found = scan.functions(text)
    assert len(found) == 1, [f.name for f in found]
    return found[0]


def reported(check, path, text):
    report = tidy.Report()
    check(report, path, text)
    return report.lines


class Scan(unittest.TestCase):
    def test_a_function_has_its_lines_name_and_parameters(self):
        f = only("\nint x;\nstatic int\nf(int a, void (*g)(int, int), const char *s) {\n  return a;\n}\n")
        self.assertEqual(("f", 3, 4, 3), (f.name, f.line, f.lines, f.parameters))

    def test_no_parameters(self):
        self.assertEqual(0, only("int f(void) { return 0; }").parameters)

    def test_braces_in_strings_comments_and_macros_do_not_count(self):
        f = only('#define OPEN \\\n  {\nint f(void) {\n  /* } */ char c = \'}\'; // }\n  puts("}{");\n}\n')
        self.assertEqual((3, 4), (f.line, f.lines))

    def test_tables_types_and_prototypes_are_no_functions(self):
        self.assertEqual([], scan.functions(
            "struct a { int (*f)(int); };\nenum e { A, B };\nint g(int);\n"
            "static const struct a t[] = {{f}, {g}};\nstatic int (*const h[])(void) = {a, b};\n"
            "static const struct { bool (*is)(int); } w[] = {{x}};\n"))

    def test_methods_and_tests_in_namespaces_are_functions(self):
        found = scan.functions('extern "C" {\n#include "x"\n}\nnamespace {\nclass A {\n  int f() { return 1; }\n};\n'
                               "TEST(A, B) {\n  x();\n}\n}\n")
        self.assertEqual(["f", "TEST"], [f.name for f in found])

    def test_an_attribute_is_not_the_name(self):
        self.assertEqual("f", only("__attribute__((format(printf, 1, 2))) int f(int a) { return a; }").name)

    def nesting(self, body):
        return only("int f(void) {\n" + body + "\n}").nesting

    def test_nesting_counts_with_and_without_braces(self):
        self.assertEqual(0, self.nesting("return 1;"))
        self.assertEqual(2, self.nesting("for (;;) if (a) b();"))
        self.assertEqual(2, self.nesting("while (a) { if (b) { c(); } }"))
        self.assertEqual(3, self.nesting("switch (a) { case 1: if (b) { do { c(); } while (d); } }"))
        self.assertEqual(2, self.nesting("cJSON_ArrayForEach(a, b) { if (c) d(); }"))

    def test_else_if_chains_are_flat(self):
        self.assertEqual(1, self.nesting("if (a) b(); else if (c) d(); else if (e) { f(); } else g();"))

    def test_initialisers_do_not_nest(self):
        self.assertEqual(0, self.nesting("struct x y = {{1}, {2}}; g((struct z){.a = {1}});"))

    def test_a_pure_switch_is_known(self):
        self.assertTrue(only("int f(int a) { switch (a) { case 1: return 2; } return 0; }").is_switch)
        self.assertFalse(only("int f(int a) { g(); switch (a) { case 1: return 2; } }").is_switch)


class Sizes(unittest.TestCase):
    def sizes(self, path, text):
        return reported(lambda r, p, t: tidy.check_sizes(r, p, t, []), path, text)

    def test_functions(self):
        fits = "int f(void) {\n" + "  g();\n" * 68 + "}\n"
        self.assertEqual([], self.sizes("proto/a.c", fits))
        self.assertEqual(["proto/a.c:1: f has 71 lines, at most 70"],
                         self.sizes("proto/a.c", fits.replace("{\n", "{\n  g();\n", 1)))

    def test_a_pure_switch_may_be_longer(self):
        text = "int f(int a) {\n  switch (a) {\n" + "    case 1: return 1;\n" * 90 + "  }\n}\n"
        self.assertEqual([], self.sizes("proto/a.c", text))

    def test_files_and_columns(self):
        self.assertEqual(["proto/a.c:601: 601 lines, at most 600"], self.sizes("proto/a.c", "\n" * 601))
        self.assertEqual(["proto/a.h:301: 301 lines, at most 300"], self.sizes("proto/a.h", "\n" * 301))
        self.assertEqual([], self.sizes("test/a/a.cc", "\n" * 601))
        self.assertEqual(["proto/a.c:1: 101 columns, at most 100"], self.sizes("proto/a.c", "x" * 101))

    def test_parameters_and_nesting(self):
        self.assertEqual(["proto/a.c:1: f has 6 parameters, at most 5"],
                         self.sizes("proto/a.c", "int f(int a, int b, int c, int d, int e, int g) { }"))
        self.assertEqual(["proto/a.c:1: f nests 5 deep, at most 4"],
                         self.sizes("proto/a.c", "int f(int a) { for(;;) for(;;) for(;;) for(;;) if (a) b(); }"))


class Laws(unittest.TestCase):
    def test_includes_go_one_way(self):
        self.assertEqual(1, len(reported(tidy.check_includes, "config/a.c", '#include "proto/zxid.h"\n')))
        self.assertEqual(1, len(reported(tidy.check_includes, "service/a.c", '#include "slowpath/replica.h"\n')))
        self.assertEqual([], reported(tidy.check_includes, "slowpath/a.c", '#include "storage/store.h"\n'))
        self.assertEqual(1, len(reported(tidy.check_includes, "proto/a.c", '#include "zxid.h"\n')))

    def test_pure_code_includes_libc_only(self):
        self.assertEqual(1, len(reported(tidy.check_includes, "slowpath/a.c", "#include <uv.h>\n")))
        self.assertEqual([], reported(tidy.check_includes, "slowpath/a_uv.c", "#include <uv.h>\n"))
        self.assertEqual(1, len(reported(tidy.check_includes, "proto/a.c", "#include <time.h>\n")))

    def test_rte_is_for_dpdk_app(self):
        self.assertEqual(1, len(reported(tidy.check_rte, "service/a.c", "rte_ring_count(r);\n")))
        self.assertEqual(1, len(reported(tidy.check_rte, "service/a.c", "#include <rte_ring.h>\n")))
        self.assertEqual([], reported(tidy.check_rte, "service/a.c", "/* rte_ring */\n"))
        self.assertEqual([], reported(tidy.check_rte, "dpdk_app/a.c", "rte_ring_count(r);\n"))

    def test_machine_paths(self):
        for bad in ("cd /work/main", '"/home/x"', "=/root"):
            self.assertEqual(1, len(reported(tidy.check_machine_paths, "a", bad)), bad)
        for good in ("$dir/root/x", "build/root", "/workers", "a /rooted b", "network/home"):
            self.assertEqual([], reported(tidy.check_machine_paths, "a", good), good)

    def test_a_patch_must_apply(self):
        with tempfile.NamedTemporaryFile("w", suffix=".patch") as patch:
            patch.write("--- a/LICENSE\n+++ b/LICENSE\n@@ -1 +1 @@\n-no such line\n+x\n")
            patch.flush()
            report = tidy.Report()
            tidy.check_mutant(report, patch.name)
        self.assertEqual([patch.name + ":1: does not apply, mend it with the code"], report.lines)

    def test_libc_symbols(self):
        for good in ("memcpy", "strlen", "__assert_fail", "strcmp"):
            self.assertTrue(tidy.PURE_SYMBOLS.match(good), good)
        for bad in ("malloc", "strdup", "time", "printf", "strftime", "clock_gettime", "rand", "strtok"):
            self.assertFalse(tidy.PURE_SYMBOLS.match(bad), bad)


if __name__ == "__main__":
    unittest.main()
