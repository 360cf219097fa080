/* Path names as text. Nothing here looks at a file system. */
#include "internal.h"

/* Removes the last component of out[0..length). */
static size_t up(const char *out, size_t length) {
  while (length > 0 && out[length - 1] != '/') length--;
  return length > 0 ? length - 1 : 0;
}

/* Appends the components of `path` to out[0..*length), which never ends in a slash. */
static long append(char *out, size_t *length, const char *path) {
  while (*path != 0) {
    while (*path == '/') path++;
    size_t part = 0;
    while (path[part] != 0 && path[part] != '/') part++;
    if (part == 2 && path[0] == '.' && path[1] == '.') {
      *length = up(out, *length);
    } else if (part > 0 && !(part == 1 && path[0] == '.')) {
      if (*length + part + 2 > PATH_LIMIT) return -ENAMETOOLONG;
      out[(*length)++] = '/';
      memcpy(out + *length, path, part);
      *length += part;
    }
    path += part;
  }
  return 0;
}

long path_normalize(const char *cwd, const char *path, char *out) {
  size_t length = 0;
  long status = 0;
  if (path[0] == 0) return -ENOENT;
  if (path[0] != '/') status = append(out, &length, cwd);
  if (status == 0) status = append(out, &length, path);
  if (status < 0) return status;
  if (length == 0) out[length++] = '/';
  out[length] = 0;
  return 0;
}

bool path_next(const char **path, char *name, long *status) {
  const char *at = *path;
  while (*at == '/') at++;
  if (*at == 0) return false;
  size_t length = 0;
  while (at[length] != 0 && at[length] != '/') length++;
  if (length >= NAME_LIMIT) {
    *status = -ENAMETOOLONG;
    return false;
  }
  memcpy(name, at, length);
  name[length] = 0;
  *path = at + length;
  return true;
}

long path_split(const char *path, char *parent, char *name) {
  size_t length = strlen(path);
  size_t cut = length;
  while (cut > 0 && path[cut - 1] != '/') cut--;
  if (length - cut == 0) return -EEXIST; /* the root */
  if (length - cut >= NAME_LIMIT) return -ENAMETOOLONG;
  memcpy(name, path + cut, length - cut + 1);
  memcpy(parent, path, cut);
  parent[cut] = 0; /* keeps its slash: normal enough for mount_walk */
  return 0;
}
