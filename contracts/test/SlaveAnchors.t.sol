// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsortium} from "../src/interfaces/IConsortium.sol";
import {Anchor, ISlaveAnchors} from "../src/interfaces/ISlaveAnchors.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {MerkleLog} from "./support/MerkleLog.sol";
import {vm} from "./support/Vm.sol";

contract SlaveAnchorsTest is MarketTest {
    uint16 private constant SOURCE_ID = 1;
    bytes32 private constant ROOT = keccak256("root");

    ISlaveAnchors private _anchors;

    function setUp() public override {
        super.setUp();
        _anchors = ISlaveAnchors(vm.deployCode("SlaveAnchors.sol", abi.encode(consortium)));
        vm.prank(SOURCE);
        consortium.registerSlave(7, keccak256("genesis"), address(0x77));
    }

    // Anchoring

    function test_rangesFollowEachOther() public {
        vm.expectEmit(address(_anchors));
        emit ISlaveAnchors.Anchored(SOURCE_ID, 0, 1, 10, 5, ROOT);
        assertEq(_anchor(1, 10, 5, ROOT), 0, "the first anchor");
        assertEq(_anchor(11, 11, 6, keccak256("next")), 1, "the second anchor");
        assertEq(_anchors.anchorCount(SOURCE_ID), 2, "both");
        Anchor memory second = _anchors.anchorAt(SOURCE_ID, 1);
        assertEq(second.firstBlock, 11, "first block");
        assertEq(second.lastBlock, 11, "last block");
        assertEq(second.leafCount, 6, "leaves");
        assertTrue(second.root == keccak256("next"), "root");
    }

    function test_theFirstRangeBeginsAtBlockOne() public {
        _expectRangeNotNext(2, 1);
        _anchor(2, 10, 5, ROOT);
        _expectRangeNotNext(0, 1);
        _anchor(0, 10, 5, ROOT);
    }

    function test_refusesAGap() public {
        _anchor(1, 10, 5, ROOT);
        _expectRangeNotNext(12, 11);
        _anchor(12, 20, 5, ROOT);
    }

    function test_refusesAnOverlap() public {
        _anchor(1, 10, 5, ROOT);
        _expectRangeNotNext(10, 11);
        _anchor(10, 20, 5, ROOT);
        _expectRangeNotNext(1, 11);
        _anchor(1, 11, 5, ROOT);
    }

    function test_refusesARangeThatEndsBeforeItBegins() public {
        _anchor(1, 10, 5, ROOT);
        _expectRangeNotNext(11, 11);
        _anchor(11, 10, 5, ROOT);
    }

    function test_refusesToRewriteTheLastRange() public {
        _anchor(1, 10, 5, ROOT);
        vm.expectRevert(abi.encodeWithSelector(ISlaveAnchors.AnchoredOtherwise.selector, 0));
        _anchor(1, 10, 5, keccak256("other"));
        vm.expectRevert(abi.encodeWithSelector(ISlaveAnchors.AnchoredOtherwise.selector, 0));
        _anchor(1, 10, 6, ROOT);
    }

    function test_refusesToRewriteAnEarlierRange() public {
        _anchor(1, 10, 5, ROOT);
        _anchor(11, 20, 6, keccak256("next"));
        _expectRangeNotNext(1, 21);
        _anchor(1, 10, 5, keccak256("other"));
    }

    function test_refusesALogThatShrinksOrChangesWithoutGrowing() public {
        _anchor(1, 10, 5, ROOT);
        vm.expectRevert(abi.encodeWithSelector(ISlaveAnchors.LogShrinks.selector, uint64(4), uint64(5)));
        _anchor(11, 20, 4, keccak256("next"));
        vm.expectRevert(abi.encodeWithSelector(ISlaveAnchors.LogShrinks.selector, uint64(5), uint64(5)));
        _anchor(11, 20, 5, keccak256("next"));
        assertEq(_anchor(11, 20, 5, ROOT), 1, "blocks without records");
    }

    function test_repeatingTheLastAnchorChangesNothing() public {
        _anchor(1, 10, 5, ROOT);
        _anchor(11, 20, 6, keccak256("next"));
        vm.recordLogs();
        assertEq(_anchor(11, 20, 6, keccak256("next")), 1, "the same anchor");
        assertEq(vm.getRecordedLogs().length, 0, "no event");
        assertEq(_anchors.anchorCount(SOURCE_ID), 2, "no new anchor");
    }

    function test_onlyActiveMastersWithASlaveChainAnchor() public {
        vm.expectRevert(abi.encodeWithSelector(ISlaveAnchors.SlaveNotRegistered.selector, uint16(2)));
        vm.prank(GRID);
        _anchors.anchor(1, 10, 5, ROOT);
        vm.expectRevert(abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, REGULATOR));
        vm.prank(REGULATOR);
        _anchors.anchor(1, 10, 5, ROOT);
    }

    function test_anUnknownAnchorIsNamed() public {
        bytes memory reason = abi.encodeWithSelector(ISlaveAnchors.UnknownAnchor.selector, SOURCE_ID, 0);
        vm.expectRevert(reason);
        _anchors.anchorAt(SOURCE_ID, 0);
        vm.expectRevert(reason);
        _anchors.includes(SOURCE_ID, 0, 0, 0, new bytes32[](0));
    }

    // Inclusion

    function test_everyLeafOfEveryLogUpToSeventyIsFound() public {
        bytes32[] memory leaves = _leaves(70);
        for (uint64 count = 1; count <= 70; ++count) {
            _anchor(count, count, count, MerkleLog.root(leaves, 0, count));
            for (uint64 index; index < count; ++index) {
                bytes32[] memory proof = MerkleLog.proof(leaves, index, 0, count);
                assertTrue(_includes(count - 1, index, leaves[index], proof), "included");
            }
        }
    }

    function testFuzz_noOtherLeafIndexOrNodeIsAccepted(uint8 size, uint8 position, uint256 entropy) public {
        uint64 count = uint64(bound(size, 1, 70));
        uint64 index = uint64(bound(position, 0, count - 1));
        bytes32[] memory leaves = _leaves(count);
        bytes32[] memory proof = MerkleLog.proof(leaves, index, 0, count);
        _anchor(1, 1, count, MerkleLog.root(leaves, 0, count));

        bytes32 flipped = bytes32(1 << (entropy & 255));
        assertFalse(_includes(0, index, leaves[index] ^ flipped, proof), "another leaf");
        uint64 other = uint64(bound(entropy >> 8, 0, 2 * count));
        if (other != index) assertFalse(_includes(0, other, leaves[index], proof), "another index");
        assertFalse(_includes(0, index, leaves[index], _resized(proof, proof.length + 1)), "a node too many");
        if (proof.length == 0) return;
        assertFalse(_includes(0, index, leaves[index], _resized(proof, proof.length - 1)), "a node too few");
        proof[entropy % proof.length] ^= flipped;
        assertFalse(_includes(0, index, leaves[index], proof), "another node");
    }

    function test_anEmptyLogIncludesNothing() public {
        _anchor(1, 1, 0, 0);
        assertFalse(_includes(0, 0, 0, new bytes32[](0)), "no leaf");
    }

    function test_anInnerNodeIsNoLeaf() public {
        bytes32[] memory leaves = _leaves(4);
        _anchor(1, 1, 4, MerkleLog.root(leaves, 0, 4));
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = MerkleLog.root(leaves, 2, 4);
        assertFalse(_includes(0, 0, MerkleLog.root(leaves, 0, 2), proof), "an inner node");
    }

    function _anchor(uint64 firstBlock, uint64 lastBlock, uint64 leafCount, bytes32 root) private returns (uint256) {
        vm.prank(SOURCE);
        return _anchors.anchor(firstBlock, lastBlock, leafCount, root);
    }

    function _includes(uint256 anchorIndex, uint64 leafIndex, bytes32 leaf, bytes32[] memory proof)
        private
        view
        returns (bool)
    {
        return _anchors.includes(SOURCE_ID, anchorIndex, leafIndex, leaf, proof);
    }

    function _expectRangeNotNext(uint64 firstBlock, uint64 expected) private {
        vm.expectRevert(abi.encodeWithSelector(ISlaveAnchors.RangeNotNext.selector, firstBlock, expected));
    }

    function _leaves(uint256 count) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            leaves[i] = sha256(abi.encodePacked(bytes1(0x00), i));
        }
    }

    function _resized(bytes32[] memory nodes, uint256 length) private pure returns (bytes32[] memory resized) {
        resized = new bytes32[](length);
        for (uint256 i; i < length && i < nodes.length; ++i) {
            resized[i] = nodes[i];
        }
    }
}
