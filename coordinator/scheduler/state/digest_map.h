// SPDX-License-Identifier: Apache-2.0
// Maps by digest that are looked up in constant time.
//
// The scheduler holds a million tasks and asks for some of them at every decision. In a tree each question compares
// some twenty digests that lie all over the memory: half of a decision's time. References stay valid until their entry
// is erased. Thread-safety: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "common/digest/digest.h"

namespace lwq::coordinator {

// Walked in no order, another one in every process: only where the order of a walk cannot be seen.
template <typename V>
using DigestTable = absl::node_hash_map<Digest, V, std::hash<Digest>>;

// Its entries in the order of their keys: n log n.
template <typename V>
std::vector<const std::pair<const Digest, V>*> InOrder(const DigestTable<V>& table) {
  std::vector<const std::pair<const Digest, V>*> entries;
  entries.reserve(table.size());
  for (const auto& entry : table) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  return entries;
}

// Walked in the order of the keys: a tree, and a hash table that finds its nodes. Adding costs both. Iterators are
// those of std::map.
template <typename V>
class DigestMap {
 public:
  using iterator = typename std::map<Digest, V>::iterator;
  using const_iterator = typename std::map<Digest, V>::const_iterator;

  DigestMap() = default;
  DigestMap(const DigestMap& other) : tree_(other.tree_) { IndexAll(); }
  DigestMap(DigestMap&&) noexcept = default;
  DigestMap& operator=(const DigestMap& other) {
    if (this != &other) *this = DigestMap(other);
    return *this;
  }
  DigestMap& operator=(DigestMap&&) noexcept = default;
  ~DigestMap() = default;

  iterator begin() { return tree_.begin(); }
  iterator end() { return tree_.end(); }
  const_iterator begin() const { return tree_.begin(); }
  const_iterator end() const { return tree_.end(); }
  size_t size() const { return tree_.size(); }
  bool empty() const { return tree_.empty(); }

  bool contains(const Digest& key) const { return nodes_.contains(key); }
  iterator find(const Digest& key) {
    const auto node = nodes_.find(key);
    return node == nodes_.end() ? tree_.end() : *node;
  }
  const_iterator find(const Digest& key) const {
    const auto node = nodes_.find(key);
    return node == nodes_.end() ? tree_.end() : const_iterator(*node);
  }
  // As std::map's: throws where there is no such entry.
  V& at(const Digest& key) {
    const auto node = nodes_.find(key);
    return node == nodes_.end() ? tree_.at(key) : (*node)->second;
  }
  const V& at(const Digest& key) const {
    const auto node = nodes_.find(key);
    return node == nodes_.end() ? tree_.at(key) : (*node)->second;
  }

  template <typename... Arguments>
  std::pair<iterator, bool> try_emplace(const Digest& key, Arguments&&... arguments) {
    if (const auto node = nodes_.find(key); node != nodes_.end()) return {*node, false};
    const iterator added = tree_.try_emplace(key, std::forward<Arguments>(arguments)...).first;
    nodes_.insert(added);
    return {added, true};
  }
  std::pair<iterator, bool> emplace(const Digest& key, V value) { return try_emplace(key, std::move(value)); }
  V& operator[](const Digest& key) { return try_emplace(key).first->second; }

  iterator erase(iterator entry) {
    nodes_.erase(entry->first);
    return tree_.erase(entry);
  }
  size_t erase(const Digest& key) {
    const iterator entry = find(key);
    if (entry == tree_.end()) return 0;
    erase(entry);
    return 1;
  }

 private:
  // A node is hashed and compared by its key, so that one can be asked for by a digest alone.
  static const Digest& KeyOf(const Digest& key) { return key; }
  static const Digest& KeyOf(const iterator& node) { return node->first; }
  struct Hash {
    using is_transparent = void;
    template <typename T>
    size_t operator()(const T& value) const {
      return std::hash<Digest>()(KeyOf(value));
    }
  };
  struct Equal {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return KeyOf(a) == KeyOf(b);
    }
  };

  void IndexAll() {
    nodes_.reserve(tree_.size());
    for (auto node = tree_.begin(); node != tree_.end(); ++node) nodes_.insert(node);
  }

  std::map<Digest, V> tree_;
  absl::flat_hash_set<iterator, Hash, Equal> nodes_;
};

}  // namespace lwq::coordinator
