// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsortium} from "./interfaces/IConsortium.sol";
import {Anchor, ISlaveAnchors} from "./interfaces/ISlaveAnchors.sol";
import {InclusionProof} from "./libraries/InclusionProof.sol";

/// @title Anchors of the slave chains on the main chain
contract SlaveAnchors is ISlaveAnchors {
    IConsortium public immutable consortium;
    mapping(uint16 masterId => Anchor[]) private _anchors;

    constructor(IConsortium consortium_) {
        consortium = consortium_;
    }

    function anchor(uint64 firstBlock, uint64 lastBlock, uint64 leafCount, bytes32 root)
        external
        returns (uint256 index)
    {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        if (consortium.slaveChain(masterId).chainId == 0) revert SlaveNotRegistered(masterId);
        Anchor[] storage anchors = _anchors[masterId];
        index = anchors.length;
        Anchor memory last;
        if (index != 0) last = anchors[index - 1];

        if (index != 0 && firstBlock == last.firstBlock && lastBlock == last.lastBlock) {
            if (leafCount != last.leafCount || root != last.root) revert AnchoredOtherwise(index - 1);
            return index - 1;
        }
        uint64 expected = index == 0 ? 1 : last.lastBlock + 1;
        if (firstBlock != expected || lastBlock < firstBlock) revert RangeNotNext(firstBlock, expected);
        if (leafCount < last.leafCount || (index != 0 && leafCount == last.leafCount && root != last.root)) {
            revert LogShrinks(leafCount, last.leafCount);
        }
        anchors.push(Anchor(firstBlock, lastBlock, leafCount, root));
        emit Anchored(masterId, index, firstBlock, lastBlock, leafCount, root);
    }

    function anchorCount(uint16 masterId) external view returns (uint256) {
        return _anchors[masterId].length;
    }

    function anchorAt(uint16 masterId, uint256 index) public view returns (Anchor memory) {
        if (index >= _anchors[masterId].length) revert UnknownAnchor(masterId, index);
        return _anchors[masterId][index];
    }

    function includes(uint16 masterId, uint256 index, uint64 leafIndex, bytes32 leaf, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        Anchor memory stated = anchorAt(masterId, index);
        return InclusionProof.holds(leaf, leafIndex, stated.leafCount, proof, stated.root);
    }
}
