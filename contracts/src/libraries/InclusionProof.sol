// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Inclusion proofs of RFC 9162, section 2.1.3.2
library InclusionProof {
    /// @notice True if `proof` leads from `leaf`, number `leafIndex` of `leafCount`, to `root`.
    function holds(bytes32 leaf, uint256 leafIndex, uint256 leafCount, bytes32[] calldata proof, bytes32 root)
        internal
        pure
        returns (bool)
    {
        if (leafIndex >= leafCount) return false;
        uint256 position = leafIndex;
        uint256 last = leafCount - 1;
        bytes32 node = leaf;
        for (uint256 i; i < proof.length; ++i) {
            if (last == 0) return false;
            if (position & 1 == 1 || position == last) {
                node = _parent(proof[i], node);
                // A node without a right sibling is its own parent until it becomes a right child.
                while (position & 1 == 0 && position != 0) {
                    position >>= 1;
                    last >>= 1;
                }
            } else {
                node = _parent(node, proof[i]);
            }
            position >>= 1;
            last >>= 1;
        }
        return last == 0 && node == root;
    }

    function _parent(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
