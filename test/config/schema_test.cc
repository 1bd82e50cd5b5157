/* config/schema.json says of every key what the C tables say, so no editor believes otherwise. */
#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

extern "C" {
#include "config/config_key.h"
}

namespace {

std::string ReadFile(const char *path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Schema : testing::Test {
  Schema() : root(cJSON_Parse(ReadFile("config/schema.json").c_str())) {}
  ~Schema() override { cJSON_Delete(root); }

  const cJSON *Get(const cJSON *o, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(o, name);
  }
  double Number(const cJSON *o, const char *name) {
    const cJSON *v = Get(o, name);
    EXPECT_TRUE(cJSON_IsNumber(v)) << name;
    return v ? v->valuedouble : -12345;
  }
  std::string Text(const cJSON *o, const char *name) {
    const cJSON *v = Get(o, name);
    return cJSON_IsString(v) ? v->valuestring : "";
  }
  /* {"$ref": "#/$defs/peer"} is that definition. */
  const cJSON *Resolved(const cJSON *o) {
    std::string ref = Text(o, "$ref");
    if (ref.empty()) return o;
    EXPECT_EQ(ref.rfind("#/$defs/", 0), 0u) << ref;
    return Get(Get(root, "$defs"), ref.c_str() + 8);
  }

  void CheckText(const cJSON *o, const struct key &key) {
    size_t least = key.kind == KEY_TEXT && key.fallback != KEY_REQUIRED ? 0 : 1;
    EXPECT_EQ(Text(o, "type"), "string");
    EXPECT_EQ(Number(o, "minLength"), static_cast<double>(least));
    EXPECT_EQ(Number(o, "maxLength"), static_cast<double>(key.size - 1));
    EXPECT_NE(Text(o, "pattern"), "");
  }
  void CheckChoice(const cJSON *o, const struct key &key) {
    const cJSON *list = Get(o, "enum");
    int cnt = 0;
    for (; key.choices[cnt]; cnt++)
      EXPECT_STREQ(cJSON_GetArrayItem(list, cnt)->valuestring, key.choices[cnt]);
    EXPECT_EQ(cJSON_GetArraySize(list), cnt);
    EXPECT_EQ(Text(o, "default"), key.choices[key.fallback]);
  }
  void CheckNumber(const cJSON *o, const struct key &key) {
    EXPECT_EQ(Text(o, "type"), "integer");
    EXPECT_EQ(Number(o, "minimum"), static_cast<double>(key.min));
    EXPECT_EQ(Number(o, "maximum"), static_cast<double>(key.max));
    if (key.fallback == KEY_REQUIRED)
      EXPECT_FALSE(Get(o, "default"));
    else
      EXPECT_EQ(Number(o, "default"), static_cast<double>(key.fallback));
  }
  void CheckList(const cJSON *o, const struct key &key) {
    const cJSON *items = Resolved(Get(o, "items")), *least = Get(o, "minItems");
    EXPECT_EQ(Text(o, "type"), "array");
    EXPECT_EQ(least ? least->valuedouble : 0, static_cast<double>(key.min));
    EXPECT_EQ(Number(o, "maxItems"), static_cast<double>(key.max));
    if (key.kind == KEY_TEXTS) {
      struct key text = {};
      text.kind = KEY_TEXT;
      text.size = key.element;
      text.fallback = KEY_REQUIRED;
      CheckText(items, text);
      for (int i = 0; key.choices[i]; i++)
        EXPECT_STREQ(cJSON_GetArrayItem(Get(o, "default"), i)->valuestring, key.choices[i]);
    } else {
      CheckObject(items, *key.sub);
    }
  }
  void CheckOneOrList(const cJSON *o, const struct key &key) {
    const cJSON *either = Get(o, "oneOf");
    ASSERT_EQ(cJSON_GetArraySize(either), 2);
    CheckObject(Resolved(cJSON_GetArrayItem(either, 0)), *key.sub);
    CheckList(cJSON_GetArrayItem(either, 1), key);
  }
  void CheckKey(const cJSON *o, const struct key &key) {
    switch (key.kind) {
      case KEY_NUMBER:
        return CheckNumber(o, key);
      case KEY_CHOICE:
        return CheckChoice(o, key);
      case KEY_OBJECT:
        return CheckObject(Resolved(o), *key.sub);
      case KEY_OBJECTS:
      case KEY_TEXTS:
        return CheckList(o, key);
      case KEY_OBJECT_OR_LIST:
        return CheckOneOrList(o, key);
      case KEY_NAME:
      case KEY_HOST:
      case KEY_TEXT:
        return CheckText(o, key);
      case KEY_IP:
      case KEY_MAC:
      case KEY_PORT:
        EXPECT_EQ(Text(o, "type"), "string");
        EXPECT_NE(Text(o, "pattern"), "");
    }
  }
  bool IsRequired(const cJSON *o, const char *name) {
    const cJSON *v;
    cJSON_ArrayForEach(v, Get(o, "required")) if (!strcmp(v->valuestring, name)) return true;
    return false;
  }
  void CheckObject(const cJSON *o, const struct key_table &table) {
    const cJSON *properties = Get(o, "properties");
    EXPECT_EQ(Text(o, "type"), "object");
    EXPECT_TRUE(cJSON_IsFalse(Get(o, "additionalProperties")));
    EXPECT_EQ(cJSON_GetArraySize(properties), table.cnt);
    for (int i = 0; i < table.cnt; i++) {
      SCOPED_TRACE(table.keys[i].name);
      const cJSON *p = Get(properties, table.keys[i].name);
      ASSERT_TRUE(p) << "not in the schema";
      EXPECT_EQ(IsRequired(o, table.keys[i].name), table.keys[i].fallback == KEY_REQUIRED);
      CheckKey(p, table.keys[i]);
    }
  }

  cJSON *root;
};

TEST_F(Schema, SaysWhatTheTablesSay) {
  ASSERT_TRUE(root);
  CheckObject(root, config_table);
}

/* What an editor shows of a key is what the README says of it. */
TEST_F(Schema, DescribesEachKeyAsTheReadme) {
  std::string readme = ReadFile("config/README.md");
  readme.erase(std::remove(readme.begin(), readme.end(), '`'), readme.end());
  int cnt = 0;
  auto each = [&](const cJSON *o, const std::string &prefix) {
    const cJSON *p;
    cJSON_ArrayForEach(p, Get(o, "properties")) {
      std::string row = "| " + prefix + p->string + " | " + Text(p, "description") + " | ";
      EXPECT_NE(readme.find(row), std::string::npos) << row;
      cnt++;
    }
  };
  each(root, "");
  each(Get(Get(root, "$defs"), "peer"), "");
  each(Get(Get(root, "$defs"), "port"), "");
  each(Get(Get(root, "$defs"), "fast"), "fast.");
  EXPECT_GT(cnt, 35);
}

}  // namespace
