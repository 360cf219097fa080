/*
 * sh: patterns and the paths that match them.
 */
#include "files.h"
#include "shell.h"
#include "string.h"

/** Matches one character against a set that starts after its `[`; moves `*at` past the set. */
static bool matches_set(const char **at, char c) {
  const char *set = *at;
  bool inverted = *set == '!', found = false;
  if (inverted) set++;
  for (const char *first = set; *set && (*set != ']' || set == first); set++) {
    char low = *set, high = low;
    if (set[1] == '-' && set[2] && set[2] != ']') high = set[2], set += 2;
    found |= low <= c && c <= high;
  }
  *at = *set ? set + 1 : set;
  return found != inverted;
}

bool matches_pattern(const char *pattern, const char *name) {
  for (;; name++) {
    switch (*pattern) {
      case 0: return *name == 0;
      case '*':
        while (*pattern == '*') pattern++;
        if (!*pattern) return true;
        for (; *name; name++)
          if (matches_pattern(pattern, name)) return true;
        return matches_pattern(pattern, name);
      case '?':
        if (!*name) return false;
        pattern++;
        break;
      case '[':
        pattern++;
        if (!*name || !matches_set(&pattern, *name)) return false;
        break;
      default:
        if (*pattern == '\\' && pattern[1]) pattern++;
        if (*pattern++ != *name) return false;
        break;
    }
  }
}

char *unquote_pattern(const char *pattern) {
  char *text = allocate(strlen(pattern) + 1), *to = text;
  for (; *pattern; pattern++) {
    if (*pattern == '\\' && pattern[1]) pattern++;
    *to++ = *pattern;
  }
  *to = 0;
  return text;
}

static bool has_magic(const char *pattern) {
  for (; *pattern; pattern++) {
    if (*pattern == '\\' && pattern[1]) pattern++;
    else if (strchr("*?[", *pattern)) return true;
  }
  return false;
}

/** Appends what matches `pattern` below `prefix`, which is empty or ends in a slash. */
static void glob_below(const char *prefix, const char *pattern, struct list *paths) {
  const char *slash = strchr(pattern, '/');
  size_t length = slash ? (size_t)(slash - pattern) : strlen(pattern);
  char *component = copy_bytes(pattern, length);
  struct list names = {0};
  if (has_magic(component))
    directory_names(*prefix ? prefix : ".", &names);
  else
    list_push(&names, unquote_pattern(component));

  for (size_t i = 0; i < names.length; i++) {
    char *name = names.items[i];
    bool hidden = name[0] == '.' && component[0] != '.';
    if (!hidden && (!has_magic(component) || matches_pattern(component, name))) {
      struct buffer path = {0};
      struct stat stat;
      buffer_append(&path, prefix, strlen(prefix));
      buffer_append(&path, name, strlen(name));
      if (slash) {
        buffer_push(&path, '/');
        glob_below(path.data, slash + 1, paths);
        release(path.data);
      } else if (sys_stat(path.data, &stat) == 0) {
        list_push(paths, path.data);
      } else {
        release(path.data);
      }
    }
    release(name);
  }
  release(names.items);
  release(component);
}

bool glob(const char *pattern, struct list *paths) {
  size_t before = paths->length;
  glob_below("", pattern, paths);
  return paths->length > before;
}
